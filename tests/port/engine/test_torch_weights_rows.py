"""Rows that start from torchvision's ResNet-34 and VGG16 with batch norm: every tensor arrives, the
normalisation stays, and our trunk computes what torch does.

The modules have torchvision's names, and at full width its shapes: 21,797,672 parameters of
resnet34, 14,723,136 of vgg16_bn.features.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import find_variant
from port.engine.net import Net
from port.engine.torch_weights import read_donor
from surgery import recipes
from surgery.pixels import IMAGENET

TOLERANCE = 1e-4             # of the largest value: float32 through 36 layers
RESNET34 = ((64, 3), (128, 4), (256, 6), (512, 3))
VGG16 = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
OURS = ('score', 'up', 'reduce')          # what no classifier has
Widths = Sequence[tuple[int, int]]


def normed(inside: int, out: int, ks: int, stride: int = 1) -> tuple[nn.Conv2d, nn.BatchNorm2d]:
    return nn.Conv2d(inside, out, ks, stride, ks // 2, bias=False), nn.BatchNorm2d(out)


class Basic34(nn.Module):
    """A basic block, the stride in its first convolution."""

    def __init__(self, inside: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = normed(inside, out, 3, stride)
        self.conv2, self.bn2 = normed(out, out, 3)
        self.downsample = nn.Sequential(*normed(inside, out, 1, stride)) if stride > 1 else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        side = x if self.downsample is None else self.downsample(x)
        return (self.bn2(self.conv2(self.bn1(self.conv1(x)).relu())) + side).relu()


class Resnet34(nn.Module):
    """Its stages by strides of 8, 16 and 32; fc is there, as in the file."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        inside = widths[0][0]
        self.conv1, self.bn1 = normed(3, inside, 7, 2)
        for stage, (out, count) in enumerate(widths, 1):
            strides = [2 if stage > 1 and i == 0 else 1 for i in range(count)]
            setattr(self, f'layer{stage}', nn.Sequential(*(
                Basic34(inside if i == 0 else out, out, s) for i, s in enumerate(strides))))
            inside = out
        self.fc = nn.Linear(inside, 1000)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        tops = [x := getattr(self, f'layer{i}')(x) for i in range(1, 5)]
        return dict(zip(('res3d', 'res4f', 'res5c'), tops[1:], strict=True))


class Vgg16bn(nn.Module):
    """vgg16_bn without its classifier."""

    def __init__(self, widths: Widths) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for out, count in widths:
            for _ in range(count):
                layers += [nn.Conv2d(inside, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU()]
                inside = out
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = {}
        for i, part in enumerate(self.features):
            x = part(x)
            if i in (23, 33, 43):
                found[f'pool{i // 10 + 1}'] = x
        return found


ROWS = {'voc-fcn8s-resnet34': (Resnet34, RESNET34, 21_797_672),
        'camvid-fcn8s-vggbn': (Vgg16bn, VGG16, 14_723_136)}


def saved(module: nn.Module, folder: Path) -> Path:
    torch.save(module.state_dict(), folder / 'weights.pth')
    return folder / 'weights.pth'


@pytest.mark.parametrize('name', ROWS)
def test_the_trunk_computes_what_torch_does(name: str, tmp_path: Path, lively) -> None:
    make, widths, _ = ROWS[name]
    module = lively(make([(out // 16, count) for out, count in widths]))
    row = find_variant(name)
    net = make_net(name, 'deploy', width=1 / 16)
    new, report = recipes.start(row, net, read_donor(saved(module, tmp_path), row))
    assert not [layer for layer in report.missing if not layer.startswith(OURS)]
    rgb = np.random.default_rng(5).integers(0, 256, (3, 96, 96)).astype(np.float64)
    ours = Net(net, TEST, weights={layer: blobs for layer, blobs in new.items() if blobs})
    mean = np.array(row.mean)[:, None, None]
    # Grey where the padding's zero is: the rows subtract torchvision's own mean.
    ours.forward(data=(rgb[::-1] - mean)[None].astype('f'))
    normal = (rgb / 255 - np.array(IMAGENET.mean)[:, None, None]) / np.array(
        IMAGENET.std)[:, None, None]
    with torch.no_grad():
        theirs = module(torch.from_numpy(normal[None].astype('f')))
    for blob, wanted in theirs.items():
        mine = ours.blobs[blob].data
        assert mine.shape == wanted.shape and wanted.abs().max() > 0.01
        assert (mine - wanted).abs().max() <= TOLERANCE * wanted.abs().max()


@pytest.mark.parametrize('name', ROWS)
def test_every_tensor_of_torchvisions_arrives(name: str, tmp_path: Path) -> None:
    make, widths, count = ROWS[name]
    module = make(widths)
    assert sum(p.numel() for p in module.parameters()) == count
    row, net = find_variant(name), make_net(name, 'train')
    new, report = recipes.start(row, net, read_donor(saved(module, tmp_path), row))
    learnt = sum(p.numel() for key, p in module.named_parameters() if not key.startswith('fc.'))
    arrived = sum(blob.size for layer, blobs in new.items() for blob in blobs
                  if not layer.startswith(OURS)
                  and not layer.startswith('bn') and not layer.endswith('_bn'))
    # The first layer's shift has no place in a ResNet's convolution: it went into its mean.
    assert arrived == learnt


def test_a_resnet_of_another_depth_is_refused(tmp_path: Path) -> None:
    module = Resnet34(((4, 2), (8, 2), (16, 2), (32, 2)))          # the names of resnet18
    with pytest.raises(ValueError, match='made of resnet34, these are the .* resnet18'):
        read_donor(saved(module, tmp_path), find_variant('voc-fcn8s-resnet34'))
