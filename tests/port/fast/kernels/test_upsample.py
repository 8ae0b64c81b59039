"""Upsampling against products with the whole matrices in double precision."""

import pytest
import torch

from port.fast.kernels import calls
from port.fast.kernels.upsample import between, narrow, upsample

from .test_winograd import channels_last

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]
ROUNDING = 3e-7             # of the largest output: float32 sums of at most 16 terms
# rows and columns of x, and of y: upsampled, far upsampled, made smaller, one column, few outputs
SIZES = [((5, 7), (33, 50)), ((3, 4), (90, 120)), ((40, 60), (11, 17)), ((4, 1), (9, 40)),
         ((6, 6), (5, 9))]


def matrix(outputs: int, inputs: int) -> torch.Tensor:
    """Return what interpolates linearly, outputs x inputs."""
    at = torch.linspace(0, inputs - 1, outputs)
    return (1 - (at[:, None] - torch.arange(inputs)).abs()).clamp(min=0)


def memory(*shape: int, last: bool) -> torch.Tensor:
    y = torch.full(shape, float('nan'))
    return y.contiguous(memory_format=torch.channels_last) if last else y


def hold(x: torch.Tensor, y: torch.Tensor, down: torch.Tensor, across: torch.Tensor) -> None:
    wanted = down.double() @ x.double() @ across.double().T
    assert (y - wanted).abs().max() <= ROUNDING * wanted.abs().max()


@pytest.mark.parametrize('size,to', SIZES)
@pytest.mark.parametrize('channels', [1, 5, 16, 21, 35])
@pytest.mark.parametrize('last', [False, True])
def test_between_neighbours(size: tuple[int, int], to: tuple[int, int], channels: int,
                            last: bool) -> None:
    x, y = channels_last(2, channels, *size), memory(2, channels, *to, last=last)
    down, across = (between(torch.linspace(0, inputs - 1, outputs), inputs)
                    for inputs, outputs in zip(size, to, strict=True))
    upsample(x, down, across, y)
    hold(x, y, *(matrix(outputs, inputs) for inputs, outputs in zip(size, to, strict=True)))


@pytest.mark.parametrize('terms', [2, 16])
@pytest.mark.parametrize('last', [False, True])
def test_any_narrow_matrix(terms: int, last: bool) -> None:
    """Rows may be all zero, and neighbouring outputs may read far apart."""
    generator = torch.Generator().manual_seed(terms)
    across = torch.zeros(50, 40)
    for row, first in enumerate(torch.randint(0, 40 - terms + 1, (50,), generator=generator)):
        across[row, first:first + terms] = torch.randn(terms, generator=generator) * (row % 7 > 0)
    x, y, down = channels_last(1, 5, 6, 40), memory(1, 5, 9, 50, last=last), matrix(9, 6)
    upsample(x, narrow(down, 2), narrow(across, terms), y)
    hold(x, y, down, across)


def test_channels_within_a_wider_pixel() -> None:
    """As where parts of a Concat are written: what stands beside them is left alone."""
    whole, x = memory(1, 64, 20, 30, last=True).fill_(7), channels_last(1, 21, 5, 6)
    upsample(x, between(torch.linspace(0, 4, 20), 5), between(torch.linspace(0, 5, 30), 6),
             whole[:, 10:31])
    hold(x, whole[:, 10:31], matrix(20, 5), matrix(30, 6))
    assert (whole[:, :10] == 7).all()
    assert (whole[:, 31:] == 7).all()


def test_strides_of_neither_layout_are_refused() -> None:
    across, y = between(torch.linspace(0, 5, 8), 6), torch.empty(1, 8, 8, 16)[:, ::2, :, ::2]
    with pytest.raises(ValueError, match='neither channels nor columns lie together'):
        upsample(channels_last(1, 4, 6, 6), across, across, y)
