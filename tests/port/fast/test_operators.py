"""Operators give what the layers give: those that join a convolution, Interp, poolings."""

import pytest
import torch

from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.inference import FastNet
from port.fast.operators import ConvolutionOperator, PoolingOperator

from .small import conv, layer, make, source

TOLERANCE = 2e-6        # of the largest value: two float32 sums of up to 576 terms
DATA = source('x', 2, 16, 13, 10)
BATCH_NORM = layer('BatchNorm', 'a', 'a')
SCALE = layer('Scale', 'a', 'a', 'scale_param { bias_term: true }')
RELU = layer('ReLU', 'a', 'a')
SUM = layer('Eltwise', ['a', 'b'], 'y')


def drawn(text: str) -> Net:
    net = make(text)
    random_weights(net, 3)
    torch.manual_seed(3)
    for node in net.nodes:
        if node.layer.type in ('Scale', 'Bias'):
            for blob in node.layer.blobs:
                blob.data = torch.randn(blob.shape)
    return net


def hold(net: Net, skip: bool = True, **arrays: torch.Tensor) -> FastNet:
    """Hold the fast engine to the plain one; return it."""
    fast = FastNet(net, skip=skip)
    wanted = {name: y.clone() for name, y in net.forward(**arrays).items()}
    found = fast(**arrays)
    for name, y in wanted.items():
        assert (found[name] - y).abs().max() <= TOLERANCE * y.abs().max(), name
    return fast


def images(seed: int = 0, *shape: int) -> torch.Tensor:
    return torch.randn(shape or (2, 16, 13, 10), generator=torch.Generator().manual_seed(seed))


JOINED = {
    'norm': (conv('x', 'a', 32, 3, 'pad: 1') + BATCH_NORM + SCALE + RELU, 1),
    'norm, no bias': (conv('x', 'a', 32, 3, 'bias_term: false') + BATCH_NORM, 1),
    'bias': (conv('x', 'a', 8, 1) + layer('Bias', 'a', 'a') + RELU, 1),
    'sum': (conv('x', 'b', 32, 1) + conv('x', 'a', 32, 3, 'pad: 1') + SCALE + SUM, 2),
    'sum, other order': (conv('x', 'a', 32, 1) + conv('x', 'b', 32, 3, 'pad: 1') + SUM, 2),
    'sum with an input': (conv('x', 'a', 16, 3, 'pad: 1') + layer('Eltwise', ['a', 'x'], 'y')
                          + layer('ReLU', 'y', 'y'), 1),
    'sum of sums': (conv('x', 'b', 8, 1) + conv('x', 'c', 8, 1) + conv('x', 'a', 8, 1)
                    + layer('Eltwise', ['a', 'b'], 'd') + layer('Eltwise', ['d', 'c'], 'y'), 4),
    'maxima': (conv('x', 'a', 32, 3) + BATCH_NORM + RELU
               + layer('Pooling', 'a', 'y', 'pooling_param { kernel_size: 2 stride: 2 }'), 1),
    'maxima of a sum': (conv('x', 'a', 16, 3, 'pad: 1') + layer('Eltwise', ['a', 'x'], 'b')
                        + layer('ReLU', 'b', 'b') + layer(
                            'Pooling', 'b', 'y', 'pooling_param { kernel_size: 2 stride: 2 }'), 2),
}
APART = {
    'read twice': (conv('x', 'a', 16, 1) + layer('Scale', 'a', 'b', 'scale_param { }')
                   + layer('Eltwise', ['a', 'b'], 'y'), 3),
    'coefficients': (conv('x', 'a', 16, 1) + layer(
        'Eltwise', ['a', 'x'], 'y', 'eltwise_param { coeff: 1 coeff: -1 }'), 2),
    'product': (conv('x', 'a', 16, 1) + layer(
        'Eltwise', ['a', 'x'], 'y', 'eltwise_param { operation: PROD }'), 2),
    'twice the same': (conv('x', 'a', 16, 1) + layer('Eltwise', ['a', 'a'], 'y'), 2),
    'scaled after the ReLU': (conv('x', 'a', 16, 1) + RELU + SCALE, 2),
    'scaled after the sum': (conv('x', 'b', 32, 1) + conv('x', 'a', 32, 1) + layer(
        'Eltwise', ['a', 'b'], 'a2') + layer('Scale', 'a2', 'y', 'scale_param { }'), 3),
    'leaky': (conv('x', 'a', 16, 1) + layer('ReLU', 'a', 'a', 'relu_param { '
                                            'negative_slope: .1 }'), 2),
}


@pytest.mark.parametrize('name', [*JOINED, *APART])
@pytest.mark.parametrize('skip', [True, False])
def test_what_joins_a_convolution(name: str, skip: bool) -> None:
    text, operations = (JOINED | APART)[name]
    fast = hold(drawn(DATA + text), skip, x=images())
    assert len(fast.program.operations) == operations


@pytest.mark.parametrize('outer', [5, 30])
def test_sums_beyond_what_the_image_reaches(outer: int) -> None:
    """Blank values go through what is added too; the two may be reached unlike."""
    text = (conv('x', 'b', 32, 5, f'pad: {outer}') + conv('x', 'a0', 32, 3, f'pad: {outer - 2}')
            + conv('a0', 'a', 32, 3, 'pad: 2', ) + BATCH_NORM + SUM
            + layer('ReLU', 'y', 'y') + conv('y', 'z', 4, 3, 'pad: 2'))
    net = drawn(source('x', 1, 16, 13, 10) + text)
    fast = hold(net, x=images(1, 1, 16, 13, 10))
    adding = [op for op in fast.program.operations if op.adds]
    assert len(adding) == 1 and fast.plan({'x': (13, 10)}).need_blanks
    hold(net, x=images(2, 3, 16, 9, 14))


def test_statistics_that_changed_are_seen() -> None:
    net = drawn(DATA + conv('x', 'a', 32, 3) + BATCH_NORM + SCALE)
    fast = hold(net, x=images())
    for layer_name in ('to_a_BatchNorm', 'to_a_Scale'):
        net.params[layer_name][0].data.mul_(2)
        wanted = net.forward(x=images())['a']
        assert (fast(x=images())['a'] - wanted).abs().max() <= TOLERANCE * wanted.abs().max()


@pytest.mark.parametrize('options', [
    'zoom_factor: 8', 'shrink_factor: 2', 'shrink_factor: 4 zoom_factor: 3', 'height: 9 width: 31',
    'zoom_factor: 2 pad_beg: -1 pad_end: -2', 'shrink_factor: 1'])
@pytest.mark.parametrize('crop', ['', 'offset: 2 offset: 1'])
def test_interp(options: str, crop: str) -> None:
    text = conv('x', 'a', 5, 3, 'pad: 1') + layer('Interp', 'a', 'b',
                                                  f'interp_param {{ {options} }}')
    like = source('like', 2, 1, 4, 2)
    if crop:
        text += layer('Crop', ['b', 'like'], 'y', f'crop_param {{ axis: 2 {crop} }}')
    net = make(DATA + (like if crop else '') + text)
    arrays = {'x': images()} | ({'like': torch.zeros(2, 1, 4, 2)} if crop else {})
    hold(net, **arrays)


def test_a_convolution_behind_interp() -> None:
    net = make(DATA + layer('Interp', 'x', 'a', 'interp_param { zoom_factor: 3 }')
               + conv('a', 'y', 32, 3, 'pad: 4'))
    hold(net, x=images())


@pytest.mark.parametrize('pool', ['MAX', 'AVE'])
@pytest.mark.parametrize('window', [
    'kernel_size: 3 stride: 1 pad: 1', 'kernel_size: 3 stride: 2 pad: 1', 'kernel_size: 3 pad: 2',
    'kernel_size: 2 stride: 2', 'kernel_h: 3 kernel_w: 5 stride_h: 2 stride_w: 4 pad_h: 1 pad_w: 2',
    'kernel_size: 3 stride: 2 round_mode: FLOOR', 'kernel_size: 4 stride: 3 pad: 3'])
def test_poolings(pool: str, window: str) -> None:
    """On all of a bottom; on the part that an image reaches, between blank values."""
    text = layer('Pooling', 'a', 'y', f'pooling_param {{ pool: {pool} {window} }}')
    net = make(source('x', 1, 3, 20, 20) + conv('x', 'a', 4, 3, 'pad: 12') + text)
    for size in ((20, 20), (17, 12), (1, 1)):
        fast = hold(net, x=images(4, 1, 3, *size))
        hold(net, skip=False, x=images(4, 1, 3, *size))
    conv_, pooling = fast.operators.values()
    assert type(conv_) is ConvolutionOperator and isinstance(pooling, PoolingOperator)
