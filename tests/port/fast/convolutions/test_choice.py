"""Which algorithm is taken: the rows of the table in choice.py, one by one."""

import pytest
import torch

from port.fast.convolutions import algorithms, by_kernels
from port.fast.convolutions.algorithms import ByOneDnn, ByProduct, ByTorch
from port.fast.convolutions.by_kernels import (
    ByFourier,
    ByLargeWeights,
    ByTaps,
    ByWindows,
    ByWinograd,
)
from port.fast.convolutions.choice import ChosenConvolution
from port.fast.kernels import calls

from .test_algorithms import bottom, task

NO_PADS = (0, 0, 0, 0)
kernels = pytest.mark.skipif(not calls.available(), reason='no C compiler here')


def names(chosen: ChosenConvolution) -> tuple[list[type], list[type]]:
    return [type(way) for way in chosen.forward_ways], [type(way) for way in chosen.backward_ways]


@kernels
@pytest.mark.parametrize('shape,more,forward,backward', [
    ((32, 32, 3), '', [ByWinograd, ByWindows, ByTorch], [ByWinograd, ByTorch]),
    ((32, 21, 3), '', [ByWindows, ByTorch], [ByTorch]),     # outputs that fill no vectors
    ((32, 48, 3), '', [ByWindows, ByTorch], [ByWinograd, ByTorch]),     # 48 are 3 x 16, not x 32
    ((32, 32, 3), 'stride: 2', [ByWindows, ByTorch], [ByTorch]),
    ((32, 32, 3), 'dilation: 2', [ByWinograd, ByWindows, ByTorch], [ByWinograd, ByTorch]),
    ((32, 32, 3), 'dilation: 2 dilation: 1', [ByWindows, ByTorch], [ByTorch]),
    ((64, 64, 3), 'group: 2', [ByTorch], [ByTorch]),
    ((3, 32, 5), '', [ByWindows, ByTorch], [ByFourier, ByTorch]),
    ((32, 32, 7), '', [ByFourier, ByTorch], [ByFourier, ByTorch]),
    ((32, 32, 7), 'stride: 2', [ByTorch], [ByTorch]),
    ((32, 32, 7), 'dilation: 2 pad: 6', [ByTorch], [ByTorch]),
    ((64, 64, 7), 'group: 2', [ByTorch], [ByTorch]),
    ((3, 32, 7), '', [ByWindows, ByTorch], [ByFourier, ByTorch]),   # the weights' gradient alone
    ((32, 21, 1), '', [ByProduct, ByWindows, ByTorch], [ByProduct, ByTorch]),
    ((64, 32, 3), 'stride: 2', [ByTorch], [ByTorch]),       # too many terms
    ((21, 21, 1), 'stride: 2', [ByWindows, ByTorch], [ByTorch])])
def test_in_training(shape, more: str, forward: list[type], backward: list[type]) -> None:
    if calls.vector_width() != 16 and shape[1] == 48:
        pytest.skip('48 outputs fill the vectors of this machine')
    assert names(ChosenConvolution(task(*shape, more))) == (forward, backward)


@kernels
@pytest.mark.parametrize('shape,forward', [
    ((32, 32, 3), [ByWinograd, ByWindows, ByOneDnn, ByTorch]),
    ((32, 21, 1), [ByWindows, ByOneDnn, ByTorch]),
    ((64, 17, 3), [ByTaps, ByWindows, ByOneDnn, ByTorch]),
    ((32, 32, 7), [ByFourier, ByWindows, ByOneDnn, ByTorch])])
def test_with_fixed_weights(shape, forward: list[type]) -> None:
    assert names(ChosenConvolution(task(*shape, fixed=True)))[0] == forward
    chosen = ChosenConvolution(task(*shape, fixed=True, kernels=False))
    assert names(chosen)[0] == [ByOneDnn, ByTorch]
    assert not chosen.writes


@kernels
def test_large_holed_weights_in_training_while_windows_are_few(monkeypatch) -> None:
    """DeepLab's batches of 20 would take gigabytes."""
    monkeypatch.setattr(algorithms, 'LARGE', 32 * 32 * 16)
    x = bottom(32, (30, 30))
    for most, taken in ((1 << 26, ByLargeWeights), (x.numel(), ByTorch)):
        monkeypatch.setattr(by_kernels, 'MOST_HOLED', most)
        chosen = ChosenConvolution(task(32, 32, 4, 'dilation: 3'))
        assert type(next(w for w in chosen.forward_ways if w.takes(x, NO_PADS))) is taken
        assert type(next(w for w in chosen.backward_ways
                         if w.takes_backward(x, NO_PADS, [True] * 3))) is taken
    fixed = ChosenConvolution(task(32, 32, 4, 'dilation: 3', fixed=True))
    assert ByLargeWeights not in names(fixed)[0]


def test_large_weights(monkeypatch) -> None:
    monkeypatch.setattr(algorithms, 'LARGE', 21 * 32 * 49)
    chosen = ChosenConvolution(task(21, 32, 7))
    assert names(chosen)[0][0] is names(chosen)[1][0] is ByProduct


@kernels
@pytest.mark.parametrize('size,taken', [((9, 8), ByProduct), ((11, 9), ByLargeWeights)])
def test_large_weights_over_enough_windows(monkeypatch, size, taken: type) -> None:
    """Two images have 12 windows, or 30."""
    monkeypatch.setattr(algorithms, 'LARGE', 32 * 20 * 49)
    chosen = ChosenConvolution(task(32, 20, 7, fixed=True))
    x = bottom(32, size)
    way = next(way for way in chosen.forward_ways if way.takes(x, NO_PADS))
    assert type(way) is taken


def test_a_torch_without_onednn(monkeypatch) -> None:
    """torch.ops.mkldnn has no operators there."""
    monkeypatch.setattr(algorithms, 'ONEDNN', torch.ops.no_such_library)
    mine = task(64, 8, 3, fixed=True, kernels=False)
    chosen = ChosenConvolution(mine)
    assert names(chosen)[0] == [ByTorch]
    x = bottom(64)
    wanted = torch.conv2d(x.double(), mine.weight.double(), mine.bias.double())
    assert (chosen.forward(x, NO_PADS) - wanted).abs().max() <= 1e-6 * wanted.abs().max()


@kernels
@pytest.mark.parametrize('size,taken', [((10, 10), ByTorch), ((64, 66), ByFourier)])
def test_few_tiles_go_by_torch(monkeypatch, size: tuple[int, int], taken: type) -> None:
    """Of 10 x 10 outputs: 2 images of one tile, and of 6 x 6."""
    ran = []
    for way in (ByFourier, ByTorch):
        monkeypatch.setattr(way, 'forward', lambda self, x, pads, plus: ran.append(type(self)))
        monkeypatch.setattr(way, 'gradients', lambda self, *rest: ran.append(type(self)))
    chosen, x = ChosenConvolution(task(32, 32, 7)), bottom(32, size)
    chosen.forward(x, NO_PADS)
    chosen.gradients(x, x, NO_PADS, [True, True])
    assert ran == [taken, taken]


@kernels
@pytest.mark.parametrize('side,taken,back_taken', [(5, ByWindows, ByTorch),
                                                   (40, ByWinograd, ByWinograd)])
def test_holes_go_by_winograd_where_they_fill_tiles(side: int, taken: type,
                                                    back_taken: type) -> None:
    """With a dilation of 4, 5 outputs lie in 4 tiles, of which each has one or two; 40 in 12."""
    chosen, size = ChosenConvolution(task(32, 32, 3, 'dilation: 4')), side + 8
    found = next(way for way in chosen.forward_ways if way.takes(bottom(32, (size, size)), NO_PADS))
    back = next(way for way in chosen.backward_ways
                if way.takes_backward(bottom(32, (side, side)), NO_PADS, [True]))
    assert (type(found), type(back)) == (taken, back_taken)
