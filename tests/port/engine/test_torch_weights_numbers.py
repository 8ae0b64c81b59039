"""Classifiers under torchvision's names run in torch on RGB, and in our nets on BGR: same numbers.

The torch modules are plain ones, narrow, with torchvision's parameter names; the Caffe nets are
written here layer by layer.
"""

import numpy as np
import pytest
import torch
from torch import nn

from netspec import NetSpec
from netspec import layers as L
from netspec import params as P
from netspec.schema.messages import TEST
from netspec.variants.data_splits import VOC_MEAN
from port.engine.net import Net
from surgery.pixels import HALVES, IMAGENET, Pixels
from surgery.torchvision import to_caffe

pytestmark = pytest.mark.usefixtures('one_thread')

TOLERANCE = 1e-4             # of the largest value: float32 through up to 50 layers
VGG16 = {1: (2, 3), 2: (2, 4), 3: (3, 4), 4: (3, 5), 5: (3, 5)}     # convolutions, channels
INCEPTIONS = ('3a', '3b', '4a', '4b', '4c', '4d', '4e', '5a', '5b')


# -- torch's side ----------------------------------------------------------------------------------

class Vgg(nn.Module):
    """VGG16, with or without batch norm."""

    def __init__(self, norm: bool) -> None:
        super().__init__()
        layers, last = [], 3
        for depth, channels in VGG16.values():
            for _ in range(depth):
                layers += [nn.Conv2d(last, channels, 3, padding=1)]
                layers += [nn.BatchNorm2d(channels)] * norm + [nn.ReLU()]
                last = channels
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Linear(5 * 4, 6), nn.ReLU(), nn.Dropout(),
                                        nn.Linear(6, 7), nn.ReLU(), nn.Dropout(), nn.Linear(7, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).flatten(1))


class Block(nn.Module):
    """A ResNet block, basic (2 convolutions) or bottleneck (3, the stride in the second)."""

    def __init__(self, convs: int, inside: int, width: int, out: int, stride: int) -> None:
        super().__init__()
        widths = [inside, width, width, out] if convs == 3 else [inside, width, out]
        strided = 2 if convs == 3 else 1
        for i in range(1, convs + 1):
            ks = 3 if convs == 2 or i == 2 else 1
            conv = nn.Conv2d(widths[i - 1], widths[i], ks, stride if i == strided else 1, ks // 2,
                             bias=False)
            setattr(self, f'conv{i}', conv)
            setattr(self, f'bn{i}', nn.BatchNorm2d(widths[i]))
        self.convs = convs
        self.downsample = None if stride == 1 and inside == out else nn.Sequential(
            nn.Conv2d(inside, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        top = x
        for i in range(1, self.convs + 1):
            top = getattr(self, f'bn{i}')(getattr(self, f'conv{i}')(top))
            top = top.relu() if i < self.convs else top
        return (top + (x if self.downsample is None else self.downsample(x))).relu()


class Resnet(nn.Module):
    """ResNet of any depth."""

    def __init__(self, counts: tuple[int, ...], convs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False), nn.BatchNorm2d(4)
        inside, wider = 4, 2 if convs == 3 else 1
        for stage, count in enumerate(counts, 1):
            width, blocks = 3 + stage, []
            for i in range(count):
                blocks.append(Block(convs, inside, width, width * wider,
                                    2 if stage > 1 and i == 0 else 1))
                inside = width * wider
            setattr(self, f'layer{stage}', nn.Sequential(*blocks))
        self.fc = nn.Linear(inside, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.functional.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f'layer{stage}')(x)
        return self.fc(x.mean((2, 3)))


class Basic(nn.Module):
    """GoogLeNet's convolution: conv, bn, ReLU."""

    def __init__(self, inside: int, out: int, ks: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, out, ks, stride, ks // 2, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.bn(self.conv(x)).relu()


class Inception(nn.Module):
    """Four branches of two channels; the 5 x 5 is torchvision's 3 x 3."""

    def __init__(self, inside: int) -> None:
        super().__init__()
        self.branch1 = Basic(inside, 2, 1)
        self.branch2 = nn.Sequential(Basic(inside, 3, 1), Basic(3, 2, 3))
        self.branch3 = nn.Sequential(Basic(inside, 3, 1), Basic(3, 2, 3))
        self.branch4 = nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), Basic(inside, 2, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.children()], 1)


class Googlenet(nn.Module):
    """GoogLeNet without its auxiliary classifiers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Basic(3, 4, 7, 2), Basic(4, 4, 1), Basic(4, 5, 3)
        for i, name in enumerate(INCEPTIONS):
            setattr(self, f'inception{name}', Inception(8 if i else 5))
        self.fc = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = pool(self.conv1(x), 3)
        x = pool(self.conv3(self.conv2(x)), 3)
        for name in INCEPTIONS:
            x = getattr(self, f'inception{name}')(x)
            x = pool(x, 3) if name == '3b' else pool(x, 2) if name == '4e' else x
        return self.fc(x.mean((2, 3)))


def pool(x: torch.Tensor, ks: int) -> torch.Tensor:
    return nn.functional.max_pool2d(x, ks, 2, ceil_mode=True)


def alexnet() -> nn.Module:
    """AlexNet as torchvision has it, for an image of 63 x 63."""
    module = nn.Module()
    module.features = nn.Sequential(
        nn.Conv2d(3, 4, 11, 4, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(4, 5, 5, padding=2),
        nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(5, 4, 3, padding=1), nn.ReLU(),
        nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1), nn.ReLU())
    module.classifier = nn.Sequential(nn.Dropout(), nn.Linear(3 * 9, 6), nn.ReLU(), nn.Dropout(),
                                      nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 4))
    module.forward = lambda x: module.classifier(module.features(x).flatten(1))
    return module


# -- Caffe's side ----------------------------------------------------------------------------------

def start(size: int) -> NetSpec:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, size, size]))
    return n


def conv(n: NetSpec, name: str, bottom, out: int, ks: int, stride: int = 1, relu: bool = True,
         **more):
    n[name] = L.Convolution(bottom, num_output=out, kernel_size=ks, stride=stride,
                            **dict(pad=ks // 2) | more)
    if relu:
        n[f'relu_{name}'] = L.ReLU(n[name], in_place=True)
    return n[name]


def max_pool(n: NetSpec, name: str, bottom, ks: int, **more):
    n[name] = L.Pooling(bottom, pool=P.Pooling.MAX, kernel_size=ks, **dict(stride=2) | more)
    return n[name]


def inner(n: NetSpec, bottom, names: dict[str, int]):
    for name, out in names.items():
        n[name] = bottom = L.InnerProduct(bottom, num_output=out)
        if name != list(names)[-1]:
            n[f'relu_{name}'] = bottom = L.ReLU(bottom, in_place=True)
    return n.to_proto()


def mean_pool(n: NetSpec, bottom):
    n.mean_pool = L.Pooling(bottom, pool=P.Pooling.AVE, global_pooling=True)
    return n.mean_pool


def caffe_vgg(size: int):
    n = start(size)
    top = n.data
    for block, (depth, channels) in VGG16.items():
        for i in range(1, depth + 1):
            top = conv(n, f'conv{block}_{i}', top, channels, 3)
        top = max_pool(n, f'pool{block}', top, 2)
    return inner(n, top, {'fc6': 6, 'fc7': 7, 'fc8': 4})


def caffe_alexnet(size: int):
    n = start(size)
    top = max_pool(n, 'pool1', conv(n, 'conv1', n.data, 4, 11, 4, pad=2), 3)
    top = max_pool(n, 'pool2', conv(n, 'conv2', top, 5, 5), 3)
    for i, channels in ((3, 4), (4, 4), (5, 3)):
        top = conv(n, f'conv{i}', top, channels, 3)
    return inner(n, top, {'fc6': 6, 'fc7': 6, 'fc8': 4})


def normed(n: NetSpec, name: str, end: str, bottom, *args, relu: bool = True):
    top = conv(n, name, bottom, *args, relu=False, bias_term=False)
    n[f'bn{end}'] = top = L.BatchNorm(top, use_global_stats=True)
    n[f'scale{end}'] = top = L.Scale(top, bias_term=True)
    if relu:
        n[f'relu{end}'] = top = L.ReLU(top, in_place=True)
    return top


def caffe_resnet(size: int, counts: tuple[int, ...], convs: int, numbered: tuple[int, ...]):
    n = start(size)
    top = max_pool(n, 'pool1', normed(n, 'conv1', '_conv1', n.data, 4, 7, 2), 3, pad=1)
    for stage, count in enumerate(counts, 2):
        for i in range(count):
            letters = ['a', *(f'b{j}' for j in range(1, 99))] if stage in numbered else 'abcdefg'
            top = caffe_block(n, f'{stage}{letters[i]}', top, stage + 2, convs,
                              2 if stage > 2 and i == 0 else 1, i == 0 and (stage > 2 or convs > 2))
    return inner(n, mean_pool(n, top), {'fc1000': 5})


def caffe_block(n: NetSpec, name: str, bottom, width: int, convs: int, stride: int, project: bool):
    def branch(end: str, *args, **more):
        return normed(n, f'res{name}_branch{end}', f'{name}_branch{end}', *args, **more)
    out = width * (2 if convs == 3 else 1)
    side = branch('1', bottom, out, 1, stride, relu=False) if project else bottom
    if convs == 3:
        top = branch('2b', branch('2a', bottom, width, 1), width, 3, stride)
        top = branch('2c', top, out, 1, relu=False)
    else:
        top = branch('2b', branch('2a', bottom, width, 3, stride), out, 3, relu=False)
    n[f'res{name}'] = L.Eltwise(side, top)
    n[f'res{name}_relu'] = L.ReLU(n[f'res{name}'], in_place=True)
    return n[f'res{name}_relu']


def caffe_googlenet(size: int):
    n = start(size)
    top = max_pool(n, 'pool1', conv(n, 'conv1/7x7_s2', n.data, 4, 7, 2), 3)
    top = conv(n, 'conv2/3x3', conv(n, 'conv2/3x3_reduce', top, 4, 1), 5, 3)
    top = max_pool(n, 'pool2', top, 3)
    for name in INCEPTIONS:
        i = f'inception_{name}'
        pooled = max_pool(n, f'{i}/pool', top, 3, stride=1, pad=1)
        n[f'{i}/output'] = L.Concat(
            conv(n, f'{i}/1x1', top, 2, 1),
            conv(n, f'{i}/3x3', conv(n, f'{i}/3x3_reduce', top, 3, 1), 2, 3),
            conv(n, f'{i}/5x5', conv(n, f'{i}/5x5_reduce', top, 3, 1), 2, 5),
            conv(n, f'{i}/pool_proj', pooled, 2, 1))
        top = n[f'{i}/output']
        if name in ('3b', '4e'):
            top = max_pool(n, f'pool{name}', top, 3 if name == '3b' else 2)
    return inner(n, mean_pool(n, top), {'loss3/classifier': 5})


# -- both ------------------------------------------------------------------------------------------

def both(module: nn.Module, proto, size: int, pixels: Pixels, mean) -> tuple[Net, np.ndarray]:
    """Return our net, run on BGR less the mean, and what torch makes of RGB in 0..1."""
    rgb = np.random.default_rng(5).integers(0, 256, (3, size, size)).astype(np.float64)
    state = {key: value.numpy() for key, value in module.state_dict().items()}
    net = Net(proto, TEST, weights=to_caffe(state, mean))
    net.forward(data=(rgb[::-1] - np.array(mean)[:, None, None])[None].astype('f'))
    normal = (rgb / 255 - np.array(pixels.mean)[:, None, None]) / np.array(
        pixels.std)[:, None, None]
    with torch.no_grad():
        return net, module(torch.from_numpy(normal[None].astype('f'))).numpy()


def check(mine: torch.Tensor, theirs: np.ndarray) -> None:
    assert mine.shape == theirs.shape and np.abs(theirs).max() > 0.01
    assert np.abs(mine.numpy() - theirs).max() < TOLERANCE * max(1, np.abs(theirs).max())


CASES = {
    'vgg16': (lambda: Vgg(False), caffe_vgg, 64, IMAGENET),
    'vgg16_bn': (lambda: Vgg(True), caffe_vgg, 64, IMAGENET),
    'alexnet': (alexnet, caffe_alexnet, 63, IMAGENET),
    'googlenet': (Googlenet, caffe_googlenet, 64, HALVES),
    'resnet18': (lambda: Resnet((2, 2, 2, 2), 2),
                 lambda s: caffe_resnet(s, (2, 2, 2, 2), 2, ()), 65, IMAGENET),
    'resnet34': (lambda: Resnet((3, 4, 6, 3), 2),
                 lambda s: caffe_resnet(s, (3, 4, 6, 3), 2, ()), 65, IMAGENET),
    'resnet50': (lambda: Resnet((3, 4, 6, 3), 3),
                 lambda s: caffe_resnet(s, (3, 4, 6, 3), 3, ()), 65, IMAGENET),
    'resnet101': (lambda: Resnet((3, 4, 23, 3), 3),
                  lambda s: caffe_resnet(s, (3, 4, 23, 3), 3, (3, 4)), 65, IMAGENET),
}


@pytest.mark.parametrize('name', CASES)
def test_the_classifiers_agree_to_the_border(name: str, lively) -> None:
    """With the mean that the padding stands for in torch, the whole net is equal."""
    make, proto, size, pixels = CASES[name]
    module = lively(make())
    net, theirs = both(module, proto(size), size, pixels, pixels.centre)
    check(net.blobs[net.outputs[0]].data, theirs)


def test_with_the_fcns_mean_the_interior_agrees(lively) -> None:
    """VGG16 as far as conv3_3: 20 pixels of the border see another colour, the rest is equal."""
    module = lively(Vgg(False))
    module.forward = lambda x: module.features[:16](x)      # relu3_3
    net, theirs = both(module, caffe_vgg(64), 64, IMAGENET, VOC_MEAN)
    check(net.blobs['conv3_3'].data[..., 5:-5, 5:-5], theirs[..., 5:-5, 5:-5])


def test_a_resnets_first_layer_needs_no_bias(lively) -> None:
    """The shift goes into the running mean: the interior of scale_conv1 agrees with VOC's mean."""
    module = lively(Resnet((2, 2, 2, 2), 2))
    module.forward = lambda x: module.bn1(module.conv1(x)).relu()
    net, theirs = both(module, caffe_resnet(65, (2, 2, 2, 2), 2, ()), 65, IMAGENET, VOC_MEAN)
    check(net.blobs['scale_conv1'].data[..., 2:-2, 2:-2], theirs[..., 2:-2, 2:-2])
