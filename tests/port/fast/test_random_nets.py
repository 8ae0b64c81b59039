"""Nets drawn at random: what the fast engines take, they compute as the plain one does."""

import random
from collections.abc import Callable

import pytest
import torch

from netspec.schema.messages import TEST, TRAIN
from port.engine.net import Net
from port.fast.convolutions import by_kernels
from port.fast.inference import FastNet
from port.fast.training import FastTraining
from port.fast.unsuited import Unsuited

from .small import conv, labels, layer, loss, make, source

TOLERANCE, NOISE = 1e-5, 8      # of the largest value; times what plain float32 is off itself
EXACT = 1e-11                   # in double precision
FEW, MANY, AT_ONCE = 3, 40, 100     # batches of seeds by default, with -m slow; seeds a batch
POINTWISE = {'Sigmoid': '', 'TanH': '', 'BatchNorm': '', 'PReLU': '',
             'ReLU': 'relu_param { negative_slope: 0.1 }', 'Dropout': '',
             'LRN': 'lrn_param { local_size: 3 alpha: 0.5 }',
             'Power': 'power_param { scale: 1.3 shift: 0.7 }',
             'Scale': 'scale_param { bias_term: true filler { type: "gaussian" std: 1 } }'}
seeds = [pytest.param(range(i * AT_ONCE, (i + 1) * AT_ONCE), id=str(i),
                      marks=[pytest.mark.slow] if i >= FEW else []) for i in range(MANY)]


class Draw:
    """Draws the text of a net, layer after layer. channels: of each blob that may be read."""

    def __init__(self, seed: int, kinds: str) -> None:
        self.rng, self.kinds = random.Random(seed), kinds.split()
        pick = self.rng.choice
        self.wide = pick([True, False])               # enough channels for the C kernels
        self.size = self.rng.randint(1, 24), self.rng.randint(1, 24)
        self.batch, channels = self.rng.randint(1, 3), pick([3, 16, 32] if self.wide else [1, 3])
        self.channels = {'x': channels}
        self.text = source('x', self.batch, channels, *self.size)
        for i in range(self.rng.randint(1, 7)):
            self.add(f'b{i}')

    @property
    def last(self) -> str:
        """The blob that was made last."""
        return list(self.channels)[-1]

    def add(self, top: str) -> None:
        pick, names = self.rng.choice, list(self.channels)
        below = self.last if self.rng.random() < .75 else pick(names)
        channels, kind = self.channels[below], pick(self.kinds)
        self.text += getattr(self, kind)(below, channels, top)
        self.channels.setdefault(top, channels)

    def conv(self, below: str, channels: int, top: str) -> str:
        pick = self.rng.choice
        outputs = self.channels[top] = pick([16, 32, 64] if self.wide else [1, 2, 5])
        kernel, first = pick([1, 2, 3, 3, 3, 5, 7]), below == 'x'
        simple = self.wide and self.rng.random() < .6
        pad = self.rng.randint(8, 60) if first and self.rng.random() < .6 else pick([0, 1, kernel])
        more = f'pad_h: {pad} pad_w: {pick([pad, 0, 1])} '
        if not simple:
            more += f'stride: {pick([1, 1, 2])} dilation: {pick([1, 1, 1, 2])} '
            more += f'bias_term: {pick(["true", "true", "false"])}'
        text = conv(below, top, outputs, 3 if simple else kernel, more)
        text += layer('ReLU', top, top) if self.rng.random() < .5 else ''
        if self.rng.random() < .3:
            text += layer('Pooling', top, f'{top}p', 'pooling_param { kernel_size: 2 stride: 2 }')
            self.channels[f'{top}p'] = outputs
        return text

    def pool(self, below: str, channels: int, top: str) -> str:
        kernel, pick = self.rng.randint(1, 4), self.rng.choice
        return layer('Pooling', below, top, f'''pooling_param {{ pool: {pick(["MAX", "AVE"])}
            kernel_size: {kernel} stride: {self.rng.randint(1, kernel + 1)}
            pad: {self.rng.randint(0, kernel - 1)} round_mode: {pick(["CEIL", "FLOOR"])} }}''')

    def maxima(self, below: str, channels: int, top: str) -> str:
        return layer('Pooling', below, top, f'''pooling_param {{
            kernel_size: {self.rng.choice([2, 3])} stride: 2 }}''')

    def up(self, below: str, channels: int, top: str) -> str:
        stride = self.rng.randint(1, 3)
        return layer('Deconvolution', below, top, f'''param {{ lr_mult: 0 }} convolution_param {{
            num_output: {channels} group: {channels} kernel_size: {2 * stride} stride: {stride}
            pad: {self.rng.randint(0, stride - 1)} bias_term: false
            weight_filler {{ type: "bilinear" }} }}''')

    def crop(self, below: str, channels: int, top: str) -> str:
        return layer('Crop', [below, self.rng.choice(list(self.channels))], top,
                     f'crop_param {{ axis: 2 offset: {self.rng.choice([0, 1, 6, 19])} }}')

    def point(self, below: str, channels: int, top: str) -> str:
        kind = self.rng.choice(list(POINTWISE))
        return layer(kind, below, top, POINTWISE[kind])

    def relu(self, below: str, channels: int, top: str) -> str:
        return layer('ReLU', below, top)

    def sum(self, below: str, channels: int, top: str) -> str:
        other = self.rng.choice([n for n, c in self.channels.items() if c == channels])
        return layer('Eltwise', [below, other], top, 'eltwise_param { coeff: 0.5 coeff: -1 }')

    def join(self, below: str, channels: int, top: str) -> str:
        other = self.rng.choice(list(self.channels))
        self.channels[top] = channels + self.channels[other]
        return layer('Concat', [below, other], top)


def build(draw: Draw, seed: int, phase: int = TEST) -> Net | None:
    """Return the net, None where its layers do not fit together."""
    try:
        net = make(draw.text, phase, seed)
    except ValueError:
        return None
    for node in net.nodes:
        if node.layer.type == 'BatchNorm':
            mean, variance, factor = node.layer.blobs
            mean.data, variance.data = torch.randn(mean.shape), torch.rand(variance.shape) + .5
            factor.data = torch.ones(1)
    return net


def double(net: Net, arrays: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    net.to(torch.float64)
    found = {k: y.clone() for k, y in net.forward(**{k: x.double() for k, x in arrays.items()})
             .items()}
    net.to(torch.float32)
    return found


def hold(net: Net, fast: FastNet, x: torch.Tensor) -> bool:
    """Compare; tell whether both engines take the size."""
    try:
        wanted = {name: y.clone() for name, y in net.forward(x=x).items()}
        found = fast(x=x)
    except (ValueError, Unsuited):                     # a size that does not fit, or not fast
        return False
    for name, y in wanted.items():
        assert found[name].shape == y.shape, name
        peak = y.abs().max()
        if y.isfinite().all() and not (found[name] - y).abs().max() <= TOLERANCE * peak:
            exact = double(net, {'x': x})[name]
            noise = (y - exact).abs().max()
            assert (found[name] - exact).abs().max() <= max(TOLERANCE * peak, NOISE * noise), name
    return True


@pytest.mark.parametrize('some', seeds)
def test_predicting(some: range, monkeypatch) -> None:
    compared = 0
    for seed in some:
        monkeypatch.setattr(by_kernels, 'FORWARD_TILES', seed % 2 * 36)
        draw = Draw(seed, 'conv conv conv conv pool maxima up crop point point sum join')
        net = build(draw, seed)
        if net is None:
            continue
        try:
            fast = FastNet(net, skip=seed % 5 > 0, kernels=seed % 7 > 0)
        except Unsuited:
            continue
        torch.manual_seed(seed)
        for turn in range(3):
            size = draw.size if turn != 1 else (draw.rng.randint(1, 30), draw.rng.randint(1, 30))
            try:
                compared += hold(net, fast, torch.randn(1 + turn % 2, draw.channels['x'], *size))
            except AssertionError as error:
                raise AssertionError(f'seed {seed}: {error}\n{draw.text}') from None
            for blobs in net.params.values():
                blobs[0].data.mul_(1.1)                # weights that change are seen
    assert compared >= AT_ONCE


def learner(seed: int) -> Net | None:
    """Return a training net in double precision, with data; None where it does not fit."""
    draw = Draw(seed, 'conv conv conv maxima relu sum crop')
    draw.text += conv(draw.last, 's', 4, 1)
    net = build(draw, seed)
    if net is None:
        return None
    batch, _, *size = net.blobs['s'].shape
    draw.text += source('l', batch, 1, *size) + loss('s', 'l', 'one')
    net = make(draw.text, TRAIN, seed)
    net.to(torch.float64)
    net.feed(x=torch.randn(net.blobs['x'].shape), l=labels(batch, 1, *size))
    return net


def learnt(net: Net, run: Callable) -> list[torch.Tensor]:
    """Return the loss and the gradients of a pass."""
    net.clear_param_diffs()
    run()
    return [torch.as_tensor(net.loss), *(row.blob.diff.clone() for row in net.learnable)]


@pytest.mark.parametrize('some', seeds)
def test_learning(some: range) -> None:
    compared = 0
    for seed in some:
        net = learner(seed)
        if net is None:
            continue
        wanted = learnt(net, lambda net=net: (net.run_forward(), net.backward()))
        try:
            found = learnt(net, FastTraining(net))
        except Unsuited:
            continue
        compared += 1
        for one, other in zip(found, wanted, strict=True):
            assert (one - other).abs().max() <= EXACT * max(1, other.abs().max()), f'seed {seed}'
    assert compared >= AT_ONCE // 5
