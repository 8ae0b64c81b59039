"""Blank values are those of an image of zeros, and are used again only where they are the same."""

import itertools

import pytest
import torch

from port.engine.net import Net
from port.fast.execution import make_operators
from port.fast.inference import FastNet
from port.fast.reach.blank_values import blank_key, blank_values, spread
from port.fast.reach.geometry import Interval

from ..small import conv, layer, make, source

TOLERANCE = 1e-5                # of the largest value
# Strides of 2 and 3, windows that the rounded-up size cuts, averages whose divisor depends on the
# border, two ways of which one is strided twice: blanks that differ from one size to the next.
PADDED = (source('x', 1, 2, 20, 20) + conv('x', 'z', 3, 3, 'pad: 9') + layer('ReLU', 'z', 'z')
          + conv('z', 'a', 3, 3, 'pad: 1') + layer('ReLU', 'a', 'a')
          + layer('Pooling', 'a', 'b', 'pooling_param { kernel_size: 2 stride: 2 }')
          + conv('b', 'c', 3, 3, 'pad: 2')
          + layer('Pooling', 'c', 'd',
                  'pooling_param { pool: AVE kernel_size: 3 stride: 3 pad: 1 }')
          + conv('d', 'e', 2, 3, 'pad: 3') + conv('e', 'f', 2, 3, 'pad: 1')
          + conv('f', 'y', 2, 3, 'pad: 1'))
SIZES = [*range(1, 20), 24, 25, 30, 31]


def hold(net: Net, fast: FastNet, height: int, width: int) -> None:
    x = torch.randn(1, 2, height, width)
    wanted = net.forward(x=x)['y'].clone()
    found = fast(x=x)['y']
    assert (found - wanted).abs().max() <= TOLERANCE * wanted.abs().max(), (height, width)


@pytest.mark.parametrize('sizes,height', [(SIZES, None), (SIZES[::-1], None), (SIZES, 13)],
                         ids=['growing', 'shrinking', 'one side'])
def test_one_engine_over_many_alignments(sizes: list[int], height: int | None) -> None:
    """An engine keeps blanks from one size to another; each must be right for both axes."""
    net = make(PADDED)
    fast = FastNet(net)
    for size in sizes:
        hold(net, fast, height or size, size)
        hold(net, fast, size, height or size)
    if height is None:
        assert len(fast._blanks) < len(sizes)       # some serve several sizes


def test_one_engine_over_changed_weights() -> None:
    net = make(PADDED)
    fast = FastNet(net)
    for turn, size in enumerate([20, 26, 20, 32, 20]):
        hold(net, fast, size, size)
        net.params['to_a_Convolution'][turn % 2].data.mul_(-1.5)
        hold(net, fast, size, size)


def test_the_key_tells_the_axes_apart() -> None:
    fast = FastNet(make(PADDED))
    keys = {blank_key(fast.plan({'x': size})) for size in itertools.product((20, 21, 22), repeat=2)}
    assert len(keys) == 9


def test_blanks_are_an_image_of_zeros() -> None:
    """All positions, put together from the few that are computed."""
    net, shape = make(PADDED), (23, 31)
    net.forward(x=torch.zeros(1, 2, *shape))
    fast = FastNet(net)
    plan, operators = fast.plan({'x': shape}), make_operators(fast.program)
    found = blank_values(plan, {fast.program.inputs['x']: 2},
                         lambda work, bottoms: operators[work.operation.output].forward(
                             work, bottoms), torch.zeros(1))
    blobs = dict(zip((placed.value for placed in plan.operations), 'zbcdefy', strict=True))
    assert len(found) == 7
    for value, blank in found.items():
        if value in blobs:
            axes = plan.axes[value]
            whole = spread(blank, [axis.reach for axis in axes],
                           *(Interval(0, axis.size) for axis in axes))
            wanted = net.blobs[blobs[value]].data
            assert (whole - wanted).abs().max() <= TOLERANCE * wanted.abs().max()
            assert blank.numel() <= wanted.numel()
