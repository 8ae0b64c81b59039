"""Claims: DeepLab forward at 513 x 513, float32, takes at most 0.50 (LargeFOV, VGG16) and 0.70
(ResNet-101 at three scales, with its four classifiers) of a hand-written eager module; the scores
are those of the plain graph to 1e-5 of the largest, of ResNet-101 to 5e-5: with drawn weights its
plain float32 scores are themselves off by 3e-5, from the eager module's as from exact ones.

The eager modules are written as a PyTorch user would: channels first, dilation, batch
normalisation a module of its own, interpolate with corners aligned. All contenders of a net hold
the same drawn weights and take turns in one process; medians are compared.
    python benchmarks/deeplab_forward.py [--nets NAME …] [--width 1] [--size 513x513] [--runs 3]
        [--busy]
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from forward import clock_for, machine, measure, smooth_noise
from torch import nn

from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.predictor import NetPredictor

BARS = {'deeplab-largefov': 0.50, 'deeplab-resnet101': 0.70}
EXACT = {'deeplab-resnet101': 5e-5}, 1e-5        # of the largest score; of any other net
BLOCKS = {2: 'abc', 3: ['a', *(f'b{i}' for i in range(1, 4))],
          4: ['a', *(f'b{i}' for i in range(1, 23))], 5: 'abc'}


def larger(x: torch.Tensor, size: tuple[int, ...] | torch.Size) -> torch.Tensor:
    """Return images resized, corner on corner."""
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=True)


class LargeFov(nn.Module):
    """DeepLab-LargeFOV on VGG16 (arXiv 1412.7062): holes in conv5 and fc6."""

    def __init__(self, net: Net) -> None:
        super().__init__()
        for node in net.nodes:
            if node.layer.type == 'Convolution':
                w = node.layer.window
                weight, bias = (blob.data.clone() for blob in node.layer.blobs)
                layer = nn.Conv2d(weight.shape[1], weight.shape[0], w.kernel, padding=w.pad,
                                  dilation=w.dilation)
                layer.weight.data, layer.bias.data = weight, bias
                self.add_module(node.name, layer)
        self.relu, self.drop = nn.ReLU(inplace=True), nn.Dropout()
        self.pool, self.same = nn.MaxPool2d(3, 2, 1), nn.MaxPool2d(3, 1, 1)
        self.average = nn.AvgPool2d(3, 1, 1)

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        x = data
        for i, count in enumerate((2, 2, 3, 3, 3), 1):
            for j in range(1, count + 1):
                x = self.relu(getattr(self, f'conv{i}_{j}')(x))
            x = (self.pool if i < 4 else self.same)(x)
        x = self.drop(self.relu(self.fc6(self.average(x))))
        x = self.drop(self.relu(self.fc7(x)))
        return larger(self.fc8_voc12(x), data.shape[2:])


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3 with holes, 1 x 1, each normalised; and the way past them."""

    def __init__(self, channels: int, narrow: int, wide: int, stride: int, rate: int,
                 first: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, narrow, 1, stride, bias=False)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, padding=rate, dilation=rate, bias=False)
        self.conv3 = nn.Conv2d(narrow, wide, 1, bias=False)
        self.bn1, self.bn2, self.bn3 = map(nn.BatchNorm2d, (narrow, narrow, wide))
        self.relu = nn.ReLU(inplace=True)
        self.past = nn.Sequential(nn.Conv2d(channels, wide, 1, stride, bias=False),
                                  nn.BatchNorm2d(wide)) if first else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.past is None else self.past(x)))


class ResNet101(nn.Module):
    """ResNet-101 at stride 8 with an atrous pyramid, over three scales (arXiv 1606.00915)."""

    def __init__(self, net: Net, rates: tuple[int, ...]) -> None:
        super().__init__()
        self.params, self.blocks = net.params, nn.ModuleList()
        self.conv1, self.bn1 = self._conv('conv1', stride=2, padding=3), self._norm('_conv1')
        self.relu, self.pool = nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        for stage, letters in BLOCKS.items():
            for letter in letters:
                self.blocks.append(self._block(stage, letter, {4: 2, 5: 4}.get(stage, 1)))
        parts = [f'_c{i}' for i in range(len(rates))] if len(rates) > 1 else ['']
        self.ends = nn.ModuleList(
            self._conv(f'fc1_voc12{part}', padding=rate, dilation=rate)
            for part, rate in zip(parts, rates, strict=True))
        del self.params

    def _conv(self, name: str, **options: int) -> nn.Conv2d:
        weight, *bias = (blob.data.clone() for blob in self.params[name])
        layer = nn.Conv2d(weight.shape[1], weight.shape[0], weight.shape[2], bias=bool(bias),
                          **options)
        layer.weight.data = weight
        if bias:
            layer.bias.data = bias[0]
        return layer

    def _norm(self, tail: str) -> nn.BatchNorm2d:
        mean, variance, weight = (blob.data for blob in self.params[f'bn{tail}'])
        layer = nn.BatchNorm2d(len(mean))
        layer.running_mean, layer.running_var = mean / weight, variance / weight
        layer.weight.data, layer.bias.data = (b.data.clone() for b in self.params[f'scale{tail}'])
        return layer

    def _block(self, stage: int, letter: str, rate: int) -> Bottleneck:
        unit, first = f'{stage}{letter}', letter == 'a'
        narrow, channels = self.params[f'res{unit}_branch2a'][0].shape[:2]
        wide = self.params[f'res{unit}_branch2c'][0].shape[0]
        block = Bottleneck(channels, narrow, wide, 2 if unit == '3a' else 1, rate, first)
        for i, part in enumerate('abc', 1):
            getattr(block, f'conv{i}').weight.data = (
                self.params[f'res{unit}_branch2{part}'][0].data.clone())
            setattr(block, f'bn{i}', self._norm(f'{unit}_branch2{part}'))
        if first:
            block.past[0].weight.data = self.params[f'res{unit}_branch1'][0].data.clone()
            block.past[1] = self._norm(f'{unit}_branch1')
        return block

    def _scores(self, x: torch.Tensor) -> torch.Tensor:
        x = self.pool(self.relu(self.bn1(self.conv1(x))))
        for block in self.blocks:
            x = block(x)
        return sum(end(x) for end in self.ends)

    def forward(self, data: torch.Tensor) -> torch.Tensor:
        h, w = data.shape[2:]
        best = self._scores(data)
        for part in (0.75, 0.5):
            small = larger(data, (int((h - 1) * part) + 1, int((w - 1) * part) + 1))
            best = torch.maximum(best, larger(self._scores(small), best.shape[2:]))
        return larger(best, (h, w))


def contenders(name: str, net: Net, data: np.ndarray) -> dict[str, Callable]:
    """Return what to run, by name; each gives scores as an array."""
    row = VARIANTS[name]
    eager = LargeFov(net) if row.trunk == 'vgg16' else ResNet101(net, row.rates)
    eager.eval()
    ours, tensor = NetPredictor(net), torch.from_numpy(data)
    return {'eager': lambda: eager(tensor), 'ours': lambda: ours(data)}


def rows(options: argparse.Namespace) -> Iterator[tuple[str, dict]]:
    """Measure net after net."""
    clock = clock_for(options.busy)
    for name in options.nets:
        net = Net(make_net(name, 'deploy', width=options.width), TEST)
        random_weights(net, 1)
        data = smooth_noise(options.size)
        seconds, scores = measure(contenders(name, net, data), options.runs, clock)
        medians = {what: statistics.median(times) for what, times in seconds.items()}
        plain = net.forward(data=data)['score'].detach().numpy()
        yield name, {
            'median_s': {what: round(v, 3) for what, v in medians.items()},
            'fastest_s': {what: round(min(v), 3) for what, v in seconds.items()},
            'ours / eager': round(medians['ours'] / medians['eager'], 3),
            'off_by_share_of_largest': {
                what: float(f'{np.abs(y - plain).max() / np.abs(plain).max():.2g}')
                for what, y in scores.items()}}


def missed(found: dict[str, dict]) -> list[str]:
    """Return what the figures do not hold."""
    late = [f'{name}: {row["ours / eager"]} of eager, {bar} wanted' for name, bar in BARS.items()
            if (row := found.get(name)) and row['ours / eager'] > bar]
    return late + [f'{name}: off by {row["off_by_share_of_largest"]["ours"]}'
                   for name, row in found.items()
                   if row['off_by_share_of_largest']['ours'] > EXACT[0].get(name, EXACT[1])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--nets', nargs='+', default=list(BARS))
    parser.add_argument('--width', type=float, default=1.0)
    parser.add_argument('--size', default='513x513')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    options = parser.parse_args()
    found = dict(rows(options))
    print(json.dumps({'width': options.width, 'size': options.size, 'weights': 'random',
                      'runs': options.runs, 'nets': found, 'machine': machine()}, indent=1))
    if options.width == 1 and (wrong := missed(found)):
        sys.exit(f'missed: {"; ".join(wrong)}')


if __name__ == '__main__':
    main()
