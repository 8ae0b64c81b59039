"""Summing in Caffe's order: the same convolution, chosen by the face where buffers are small."""

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from netspec.window import Window
from port.engine import caffe_order as order
from port.engine.caffe_order import by_columns, column_bytes
from port.engine.net import Net

CASES = [  # window, channels, outputs, group
    (Window((3, 3), (1, 1), (1, 1), (1, 1)), 4, 6, 1),
    (Window((3, 5), (2, 1), (0, 2), (1, 1)), 4, 6, 2),
    (Window((2, 3), (1, 2), (3, 1), (2, 3)), 3, 3, 3),
    (Window((1, 1), (1, 1), (0, 0), (1, 1)), 5, 2, 1),
]


@pytest.mark.parametrize(('window', 'channels', 'outputs', 'group'), CASES)
@pytest.mark.parametrize('bias', [False, True])
def test_equals_torchs_convolution(window, channels, outputs, group, bias) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, channels, 9, 11, dtype=torch.float64)
    weight = torch.randn(outputs, channels // group, *window.kernel, dtype=torch.float64)
    b = torch.randn(outputs, dtype=torch.float64) if bias else None
    wanted = torch.conv2d(x, weight, b, window.stride, window.pad, window.dilation, group)
    assert torch.allclose(by_columns(x, weight, b, window, group), wanted, atol=1e-12)


@pytest.mark.parametrize('positions', [2, 5, 9, 15, 16, 20])
def test_few_columns_sum_as_exactly_as_many(positions) -> None:
    """fc6's 25,088 terms: a chain of them is off by 3e-6, blocks by 3e-7."""
    torch.manual_seed(0)
    x, weight = torch.randn(1, 512, 7, 6 + positions).relu(), torch.randn(64, 512, 7, 7)
    found = by_columns(x, weight, None, Window((7, 7), (1, 1), (0, 0), (1, 1)), 1)
    exact = torch.conv2d(x.double(), weight.double())
    assert (found - exact).pow(2).mean() ** .5 < 6e-7 * exact.pow(2).mean() ** .5


def test_size_of_the_buffer() -> None:
    """3 x 3 over 4 channels at 5 x 6 positions, 4 bytes each."""
    window = Window((3, 3), (1, 1), (0, 0), (1, 1))
    assert column_bytes(window, (1, 4, 7, 8)) == 4 * 9 * 4 * 5 * 6


NET = '''
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 8 dim: 8 } } }
layer { name: "c" type: "Convolution" bottom: "x" top: "y" convolution_param {
        num_output: 3 kernel_size: 3 weight_filler { type: "msra" } } }'''


def test_a_net_chooses_by_size(monkeypatch) -> None:
    net = Net(parse_net(NET), TEST)
    layer = net.layers[1]
    net.forward()
    assert layer.columns
    monkeypatch.setattr(order, 'LIMIT', 1000)
    net.forward()
    assert layer.columns                       # the size is the same: nothing is decided anew
    assert net.forward(x=np.ones((1, 2, 20, 20)))['y'].shape == (1, 3, 18, 18)
    assert not layer.columns
