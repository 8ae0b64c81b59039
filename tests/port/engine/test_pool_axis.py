"""One axis of a pooling: the pieces of its windows."""

from itertools import product

import pytest
import torch

from port.engine.pool_axis import Axis, add_up


@pytest.mark.parametrize('size, kernel, stride, pad',
                         [*product((1, 4, 7), (1, 3), (1, 2, 4), (0, 2))])
def test_pieces_cover_each_window_in_order(size, kernel, stride, pad):
    out = max(1, -(-(size + 2 * pad - kernel) // stride) + 1)
    axis = Axis(-1, size, kernel, stride, pad, out)
    windows = [[] for _ in range(out)]
    for outputs, inputs in axis.pieces:
        for o, i in zip(range(out)[outputs], range(size)[inputs], strict=True):
            windows[o].append(i)
    assert windows == [[i for i in range(o * stride - pad, o * stride - pad + kernel)
                        if 0 <= i < size] for o in range(out)]


@pytest.mark.parametrize('axis, expected', [
    (Axis(-1, 6, 2, 2, 0, 3), 2),
    (Axis(-1, 7, 2, 2, 0, 4), [2, 2, 2, 1]),
    (Axis(-2, 5, 3, 2, 1, 3), 3),
    (Axis(-2, 6, 3, 2, 1, 4), [3, 3, 3, 2]),    # padding counts, but only as far as it reaches
    (Axis(-1, 6, 1, 3, 0, 3), [1, 1, 0]),
])
def test_divisor(axis, expected):
    found = axis.divisor(torch.zeros(1))
    assert (found if isinstance(found, int) else found.flatten().tolist()) == expected


@pytest.mark.parametrize('kernel, pad, out', [(2 * 10 ** 9 + 1, 10 ** 9, 9), (2 * 10 ** 9, 0, 1)])
def test_a_kernel_of_any_size_costs_what_the_image_does(kernel: int, pad: int, out: int) -> None:
    """Every window holds all 9 inputs."""
    axis = Axis(-1, 9, kernel, 1, pad, out)
    assert len(axis.pieces) <= 17
    x = torch.arange(9.)
    assert add_up(x[None], axis).tolist() == [[36.] * out]
