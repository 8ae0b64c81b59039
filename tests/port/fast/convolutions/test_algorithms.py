"""Every algorithm gives the convolution and its gradients, against torch in double precision."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from port.fast.convolutions import algorithms
from port.fast.convolutions.algorithms import ByOneDnn, ByProduct, ByTorch
from port.fast.convolutions.by_kernels import (
    ByFourier,
    ByLargeWeights,
    ByTaps,
    ByWindows,
    ByWinograd,
)
from port.fast.convolutions.task import Task
from port.fast.kernels import calls, large_weights

from ..small import conv, make, source

ROUNDING = 2e-6             # of the largest value: float32 sums of up to 1568 terms
LAST = torch.channels_last
PADS = [(0, 0, 0, 0), (1, 1, 1, 1), (2, 0, 1, 3)]
# algorithm -> channels, outputs, kernel
SHAPES = {ByWinograd: (32, 32, 3), ByWindows: (3, 32, 5), ByFourier: (32, 32, 7),
          ByTaps: (64, 17, 3), ByProduct: (16, 32, 1), ByOneDnn: (64, 8, 3), ByTorch: (5, 7, 4)}


def task(channels: int, outputs: int, kernel: int, more: str = '', **options) -> Task:
    net = make(source('x', 1, channels, 12, 12) + conv('x', 'y', outputs, kernel, more))
    return Task(net.nodes[1].layer, **options)


def bottom(channels: int, size: tuple[int, int] = (13, 18)) -> torch.Tensor:
    random = torch.Generator().manual_seed(1)
    return torch.randn(2, channels, *size, generator=random).contiguous(memory_format=LAST)


def close(found: torch.Tensor, exact: torch.Tensor) -> bool:
    return bool((found - exact).abs().max() <= ROUNDING * exact.abs().max())


@pytest.mark.parametrize('pads', PADS)
@pytest.mark.parametrize('relu,halved', [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize('way', SHAPES, ids=lambda way: way.__name__)
def test_forward(way: type[ByTorch], relu: bool, halved: bool, pads) -> None:
    mine = task(*SHAPES[way], relu=relu, halved=halved, fixed=way in (ByOneDnn, ByTaps))
    if not way.suits(mine):
        assert way in (ByWindows, ByTaps) and halved or not mine.for_kernels
        return
    x = bottom(SHAPES[way][0])
    exact = F.conv2d(F.pad(x.double(), pads), mine.weight.double(), mine.bias.double())
    exact = exact.relu() if relu else exact
    exact = F.max_pool2d(exact, 2, 2, ceil_mode=True) if halved else exact
    algorithm = way(mine)
    assert close(algorithm.forward(x, pads), exact)
    out = torch.full(exact.shape, 7.0).contiguous(memory_format=LAST)
    algorithm.write(x, pads, out)
    assert close(out, exact)


@pytest.mark.usefixtures('vectors')
@pytest.mark.parametrize('mask', [(True, True, True), (True, False, False), (False, True, False),
                                  (False, False, True), (False, False, False)])
@pytest.mark.parametrize('pads', PADS)
@pytest.mark.parametrize('way', [ByWinograd, ByFourier, ByProduct, ByTorch],
                         ids=lambda way: way.__name__)
def test_gradients(way: type[ByTorch], pads, mask: tuple[bool, bool, bool]) -> None:
    mine = task(*SHAPES[way])
    if not way.suits_backward(mine):
        pytest.skip('no C compiler here')
    x = bottom(SHAPES[way][0])
    exact = [t.double().requires_grad_() for t in (x, mine.weight, mine.bias)]
    y = F.conv2d(F.pad(exact[0], pads), *exact[1:])
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).contiguous(
        memory_format=LAST)
    y.backward(dy.double())
    found = way(mine).gradients(dy, x, pads, mask)
    for asked, gradient, tensor in zip(mask, found, exact, strict=True):
        assert close(gradient, tensor.grad) if asked else gradient is None


@pytest.mark.usefixtures('vectors')
@pytest.mark.parametrize('dilation', [2, 3, 12])
@pytest.mark.parametrize('pads', [(0, 0, 0, 0), (2, 2, 2, 2), (5, 0, 1, 12)])
def test_holes_by_winograd(dilation: int, pads) -> None:
    mine = task(32, 64, 3, f'dilation: {dilation} pad: {dilation}', relu=True)
    if not ByWinograd.suits(mine):
        pytest.skip('no C compiler here')
    x = bottom(32, (27, 30))
    inputs = [t.double().requires_grad_() for t in (x, mine.weight, mine.bias)]
    y = F.conv2d(F.pad(inputs[0], pads), *inputs[1:], dilation=dilation)
    assert close(ByWinograd(mine).forward(x, pads), y.relu())
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(2)).contiguous(
        memory_format=LAST)
    y.backward(dy.double())
    for found, tensor in zip(ByWinograd(mine).gradients(dy, x, pads, [True] * 3), inputs,
                             strict=True):
        assert close(found, tensor.grad)


@pytest.mark.usefixtures('vectors')
@pytest.mark.parametrize('dilation', [1, 4, 20])
@pytest.mark.parametrize('pads', [(0, 0, 0, 0), (1, 2, 0, 5), (40, 40, 24, 24)])
def test_few_outputs_place_by_place(dilation: int, pads) -> None:
    mine = task(64, 17, 3, f'dilation: {dilation} pad: {dilation}', relu=True, fixed=True)
    if not ByTaps.suits(mine):
        pytest.skip('no C compiler here')
    x = F.pad(bottom(64), (dilation, dilation) * 2)
    exact = F.conv2d(F.pad(x.double(), pads), mine.weight.double(), mine.bias.double(),
                     dilation=dilation).relu()
    assert close(ByTaps(mine).forward(x, pads), exact)


@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('way', SHAPES, ids=lambda way: way.__name__)
def test_what_is_added(way: type[ByTorch], relu: bool) -> None:
    mine = task(*SHAPES[way], relu=relu, fixed=True)
    if not way.suits(mine) and way is not ByProduct:
        assert not mine.for_kernels
        return
    x, pads = bottom(SHAPES[way][0]), PADS[1]
    exact = F.conv2d(F.pad(x.double(), pads), mine.weight.double(), mine.bias.double())
    plus = torch.randn(exact.shape, generator=torch.Generator().manual_seed(3))
    kept = plus.clone()
    exact = (exact + plus).relu() if relu else exact + plus
    algorithm = way(mine)
    assert close(algorithm.forward(x, pads, plus), exact)
    out = torch.full(exact.shape, 7.0).contiguous(memory_format=LAST)
    algorithm.write(x, pads, out, plus)
    assert close(out, exact) and torch.equal(plus, kept)


def test_a_product_of_large_kernels(monkeypatch) -> None:
    """As fc6: windows are gathered, few of them filled up to what a BLAS sums in blocks."""
    monkeypatch.setattr(algorithms, 'LARGE', 1)
    mine = task(6, 9, 5)
    for size in ((5, 5), (6, 7), (13, 18)):
        x = bottom(6, size)
        exact = F.conv2d(x.double(), mine.weight.double(), mine.bias.double())
        assert close(ByProduct(mine).forward(x, (0, 0, 0, 0)), exact)


@pytest.mark.usefixtures('vectors')
@pytest.mark.parametrize('pads', PADS)
@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('shape,holes', [((32, 30, 5), 1), ((64, 21, 1), 1), ((16, 70, 8), 1),
                                         ((32, 30, 3), 4)])
def test_large_weights(shape, holes: int, relu: bool, pads, monkeypatch) -> None:
    """As fc6's and fc7's: read once, for all windows of both images."""
    monkeypatch.setattr(algorithms, 'LARGE', 1)
    mine = task(*shape, f'dilation: {holes}', relu=relu)
    if not ByLargeWeights.suits(mine):
        pytest.skip('no C compiler here')
    x = bottom(shape[0])
    exact = F.conv2d(F.pad(x.double(), pads), mine.weight.double(), mine.bias.double(),
                     dilation=holes)
    plus = torch.randn(exact.shape, generator=torch.Generator().manual_seed(3))
    assert ByLargeWeights(mine).takes(x, pads)
    for added in (None, plus):
        wanted = exact if added is None else exact + added
        wanted = wanted.relu() if relu else wanted
        assert close(ByLargeWeights(mine).forward(x, pads, added), wanted)


@pytest.mark.parametrize('pads', PADS)
@pytest.mark.parametrize('shape,relu', [((32, 30, 5), True), ((64, 21, 1), False),
                                        ((64, 21, 6), False), ((16, 70, 8), False)])
def test_large_weights_in_bfloat16(shape, relu: bool, pads, monkeypatch) -> None:
    """Both factors are rounded to the nearest, the products are not. Of 64 x 6 x 6 terms some are
    added to the sums of the first ones.
    """
    monkeypatch.setattr(algorithms, 'LARGE', 1)
    mine = task(*shape, fixed=True, dtype=torch.bfloat16, relu=relu)
    if not ByLargeWeights.suits(mine):
        pytest.skip('no C compiler here, or a processor without such products')
    x = bottom(shape[0])
    rounded, weight = (t.bfloat16().double() for t in (x, mine.weight))
    wanted = F.conv2d(F.pad(rounded, pads), weight, mine.bias.double())
    plus = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(3))
    for added in (None, plus):
        whole = wanted if added is None else wanted + added
        found = ByLargeWeights(mine).forward(x, pads, added)
        assert close(found, whole.relu() if relu else whole)
    x[0, 3, 4, 4] = torch.nan
    assert ByLargeWeights(replace(mine, relu=False)).forward(x, pads).isnan().any()


def test_large_weights_that_make_no_pairs(monkeypatch) -> None:
    monkeypatch.setattr(algorithms, 'LARGE', 1)
    if not calls.available():
        pytest.skip('no C compiler here')
    terms = calls.vector_width()
    assert ByLargeWeights.suits(task(terms, 8, 1, fixed=True))
    assert not ByLargeWeights.suits(task(terms, 8, 1, fixed=True, dtype=torch.bfloat16))


def test_fixed_weights_are_packed_once() -> None:
    """Others are looked at in every call."""
    x = bottom(5)
    for fixed in (False, True):
        way = ByTorch(task(5, 7, 4, fixed=fixed, dtype=torch.float64))
        first = way.forward(x, PADS[1])
        way.task.weight.mul_(2)
        assert torch.equal(way.forward(x, PADS[1]), first) == fixed


def test_half_the_precision_where_it_is_asked_for() -> None:
    x, mine = bottom(5), task(5, 7, 4, dtype=torch.bfloat16)
    assert ByTorch(mine).forward(x, PADS[0]).dtype == torch.bfloat16
    assert ByTorch(replace(mine, dtype=None)).forward(x, PADS[0]).dtype == torch.float32


@pytest.mark.usefixtures('vectors')
@pytest.mark.parametrize('pads', PADS)
@pytest.mark.parametrize('shape,holes', [((64, 32, 2), 1), ((128, 96, 1), 1), ((32, 48, 8), 1),
                                         ((64, 32, 2), 5)])
def test_gradients_of_large_weights(shape, holes: int, pads, monkeypatch) -> None:
    """The weights' comes in parts of whole outputs, all of them once."""
    monkeypatch.setattr(algorithms, 'LARGE', 1)
    monkeypatch.setattr(large_weights, 'TOGETHER', 1)
    mine = task(*shape, f'dilation: {holes}')
    if not ByLargeWeights.suits_backward(mine):
        pytest.skip('no C compiler here, or kernels of other widths')
    x = bottom(shape[0])
    inputs = [t.double().requires_grad_() for t in (x, mine.weight, mine.bias)]
    y = F.conv2d(F.pad(inputs[0], pads), inputs[1], inputs[2], dilation=holes)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(3))
    y.backward(dy.double())
    down, product, bias = ByLargeWeights(mine).gradients(dy, x, pads, [True] * 3)
    assert close(down, inputs[0].grad) and close(bias, inputs[2].grad)
    assert close(product.whole(), inputs[1].grad)
    _, product, _ = ByLargeWeights(mine).gradients(dy, x, pads, [False, True, False])
    outputs = [i for part, _ in product.parts for i in range(part.start, part.stop)]
    assert outputs == [*range(shape[1])]
