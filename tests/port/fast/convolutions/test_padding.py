"""Paddings that algorithms take and those that they do not; narrow bottoms."""

import pytest
import torch
import torch.nn.functional as F

from netspec.window import Window
from port.fast.convolutions.padding import is_narrow, padded, rows_of, unpadded

WINDOW = Window((3, 3), (2, 3), (1, 1), (1, 4))


@pytest.mark.parametrize('pads,left', [((1, 1, 2, 2), (2, 1)), ((1, 2, 0, 0), (0, 0)),
                                       ((0, 0, 3, 1), (0, 0))])
def test_what_is_padded_here(pads, left) -> None:
    x = torch.randn(1, 2, 9, 9)
    found, pad = padded(x, pads, WINDOW)
    assert pad == left
    assert torch.equal(found, x if any(left) else F.pad(x, pads))
    assert torch.equal(unpadded(F.pad(x, pads), pads), x) and unpadded(None, pads) is None


@pytest.mark.parametrize('size,narrow', [((2, 4), False), ((1, 4), True), ((2, 3), True)])
def test_narrow_is_below_a_step_of_the_window(size, narrow: bool) -> None:
    x = torch.randn(1, 1, *size)
    assert is_narrow(x, WINDOW) == narrow
    assert padded(x, (1, 1, 1, 1), WINDOW)[1] == ((0, 0) if narrow else (1, 1))


def test_rows() -> None:
    x = torch.randn(2, 3, 4, 5)
    assert torch.equal(rows_of(x)[23], x[1, :, 0, 3])
