"""Intervals and reaches against plain enumeration of windows."""

import numpy as np
import pytest
import torch

from port.fast.reach.geometry import (
    NEVER,
    Interval,
    Reach,
    Resizing,
    Shifting,
    Sliding,
    Spreading,
    part_of,
    whole_image,
)

WINDOWS = [(3, 1, 1), (2, 2, 0), (3, 2, 0), (11, 4, 5), (5, 1, 2), (3, 1, 30), (7, 1, 0)]


@pytest.mark.parametrize('extent,stride,pad', WINDOWS)
@pytest.mark.parametrize('reach', [Reach(40, Interval(13, 22), 2, 3), whole_image(40),
                                   Reach(40, Interval(0, 40), 0, 0),
                                   Reach(40, Interval(39, 40), 5, 0)])
def test_sliding_reach(extent: int, stride: int, pad: int, reach: Reach) -> None:
    out = (reach.size + 2 * pad - extent) // stride + 1
    found = Sliding(extent, stride, pad, out).reach(reach)
    windows = [range(o * stride - pad, o * stride - pad + extent) for o in range(out)]
    reached = [o for o, w in enumerate(windows) if set(w) & set(range(*reach.image))]
    assert (found.image == Interval(reached[0], reached[-1] + 1) if reached else
            found.image.size <= 0)
    for o, window in enumerate(windows):
        edge = [i for i in window if i < reach.before or i >= reach.size - reach.after]
        inside = found.before <= o < found.size - found.after
        assert inside <= (not edge), 'a position that the border changes is called inner'


@pytest.mark.parametrize('size, out', [(7, 49), (20, 9), (1, 5), (6, 1), (8, 8), (1250, 9993)])
def test_resizing_reads_what_torch_does(size: int, out: int) -> None:
    """Where each position lies is what resizing 0, 1, 2 … gives; it is read with its neighbour."""
    ramp = torch.arange(size, dtype=torch.float32).view(1, 1, 1, size)
    found = torch.ops.aten.upsample_bilinear2d(ramp, [1, out], True).flatten().numpy()
    rule = Resizing(size, out, 3)
    for span in (Interval(0, out), Interval(out // 2, out // 2 + 1), Interval(out - 1, out)):
        assert np.allclose(rule.places(span), found[slice(*span)], rtol=1e-7, atol=1e-7 * size)
        read = rule.read(span)
        assert read.first == 3 + int(found[span.first])
        assert read.last == 3 + min(size, int(found[span.last - 1]) + 2)


def test_an_image_of_zeros_has_no_border() -> None:
    reach = Sliding(3, 1, 100, 238).reach(whole_image(40))
    assert (reach.before, reach.after) == (0, 0)
    again = Sliding(3, 1, 1, 238).reach(reach)
    assert (again.before, again.after) == (1, 1)


@pytest.mark.parametrize('extent,stride,pad', WINDOWS)
def test_sliding_read(extent: int, stride: int, pad: int) -> None:
    rule = Sliding(extent, stride, pad, 9)
    read = {i for o in range(3, 7) for i in range(o * stride - pad, o * stride - pad + extent)}
    assert rule.read(Interval(3, 7)) == Interval(min(read), max(read) + 1)


@pytest.mark.parametrize('extent,stride,pad', [(4, 2, 0), (16, 8, 0), (4, 3, 1), (3, 4, 0)])
def test_spreading_read(extent: int, stride: int, pad: int) -> None:
    size = 12
    rule = Spreading(extent, stride, pad, stride * (size - 1) + extent - 2 * pad, size)
    for first, last in ((0, rule.out), (5, 6), (7, 20)):
        needed = [i for i in range(size) if set(range(i * stride - pad, i * stride - pad + extent))
                  & set(range(first, last))]
        read = rule.read(Interval(first, last))
        if needed:
            assert read.first <= needed[0] and read.last >= needed[-1] + 1


def test_shifting() -> None:
    rule = Shifting(5, 20)
    assert rule.read(Interval(2, 7)) == Interval(7, 12)
    assert rule.reach(Reach(40, Interval(3, 39), 7, 1)) == Reach(20, Interval(0, 20), 2, 0)


@pytest.mark.parametrize('reach', [Reach(20, Interval(5, 9), 2, 3), Reach(20, Interval(5, 9), 0, 3),
                                   Reach(20, Interval(5, 9), 4, 0), Reach(6, Interval(0, 6), 3, 3),
                                   Reach(20, Interval(0, 20), NEVER, NEVER)])
def test_kept_blank_values(reach: Reach) -> None:
    """A line of values that are alike but at the ends is told by its runs."""
    before, after = max(0, reach.before), max(0, reach.after)
    line = [i if i < before or i >= reach.size - after else -1 for i in range(reach.size)]
    short = [line[i] for run in reach.runs for i in range(*run)] + ['outside']
    whole = [short[k] for k in reach.stored_at(range(-2, reach.size + 2))]
    assert whole == ['outside'] * 2 + line + ['outside'] * 2


def test_part_computes_what_is_reached_and_wanted() -> None:
    reach = Reach(40, Interval(10, 20), 2, 2)
    assert part_of(reach, Interval(5, 15), False).computed == Interval(10, 15)
    assert part_of(reach, Interval(25, 30), False).computed == Interval(25, 30)   # nothing reached
    assert part_of(reach, Interval(5, 15), True).computed == Interval(5, 15)
