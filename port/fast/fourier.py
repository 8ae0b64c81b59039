"""Convolutions with kernels of 5 x 5 to 8 x 8 by Fourier transforms of tiles (fourier.c): an
eighth of the products of a 7 x 7 kernel, and smaller rounding errors than its long sums have.
"""

import ctypes
from collections.abc import Sequence
from functools import cache
from math import prod
from pathlib import Path

import torch
import torch.nn.functional as F

from port.engine.window import Window
from port.fast.native import lanes, plane
from port.native.library import load
from port.native.threads import share

HERE = Path(__file__).parent
TILE = 16
HALF = TILE // 2 + 1        # columns of a real tile's spectrum
SMALLEST, LARGEST = 5, 8    # kernels for which it pays
LAST = torch.channels_last


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels, None where they cannot be had."""
    found = load(HERE / 'fourier.c')
    if found is not None:
        p, i, s = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t
        found.fourier.argtypes = [p, i, i, i, p, p, p, p, i, i, s, s, i, p]
        found.fourier.restype = None
    return found


def width() -> int:
    """Return how many channels the kernels take at a time."""
    return lanes()[0] // 2


def fits(weight: torch.Tensor, window: Window, group: int = 1) -> bool:
    """Whether the kernels take a convolution; if its channels are not a multiple of `width()`,
    the gradient of its weights alone.
    """
    if library() is None or weight.device.type != 'cpu' or weight.dtype != torch.float32:
        return False
    o, _, *kernel = weight.shape
    simple = group == 1 and {*window.stride, *window.dilation} == {1}
    return (simple and len(kernel) == 2 and kernel[0] == kernel[1]
            and SMALLEST <= kernel[0] <= LARGEST and o % width() == 0)


def tiles(shape: Sequence[int], around: tuple[int, int], kernel: int) -> int:
    """Return how many tiles a convolution's top is made of, over the whole batch.

    shape: of the bottom. around: the rows and columns of padding, those of both sides together.
    """
    n, _, *sizes = shape
    side = TILE + 1 - kernel
    return n * prod(-(-(size + more - kernel + 1) // side)
                    for size, more in zip(sizes, around, strict=True))


@cache
def _bins() -> tuple[torch.Tensor, torch.Tensor]:
    """Return row and column of each number of the spectrum that the kernels keep."""
    kept = [(f, range(HALF)) for f in (0, HALF - 1)]
    kept += [(f, range(TILE)) for f in range(1, HALF - 1)]
    places = [(i, f) for f, rows in kept for i in rows]
    rows, columns = zip(*places, strict=True)
    return torch.tensor(rows), torch.tensor(columns)


def spectrum(weight: torch.Tensor, turned: bool = False) -> torch.Tensor:
    """Return the weights' spectrum, bins x outputs / W x channels x 2 W, as the kernels take it.

    turned: for the gradient of the bottom, a convolution with the kernels turned by half.
    """
    if turned:
        weight = weight.flip(2, 3).transpose(0, 1)
    rows, columns = _bins()
    found = torch.fft.rfft2(weight, s=(TILE, TILE))[:, :, rows, columns]
    parts = torch.view_as_real(found.conj().resolve_conj()).div_(2 * TILE * TILE)
    o, c, bins, _ = parts.shape
    return parts.view(o // width(), width(), c, bins, 2).permute(3, 0, 2, 4, 1).contiguous()


def _kernels(sums: torch.Tensor, kernel: int) -> torch.Tensor:
    """Return the corner of the correlations of which `sums` is the spectrum."""
    bins, c, blocks, _, lane = sums.shape
    rows, columns = _bins()
    numbers = torch.view_as_complex(sums.permute(1, 2, 4, 0, 3).contiguous())
    whole = numbers.new_zeros(c, blocks * lane, TILE, HALF)
    whole[:, :, rows, columns] = numbers.view(c, blocks * lane, bins)
    for f in (0, HALF - 1):        # a real tile's: the other half mirrors the kept one
        whole[:, :, HALF:, f] = whole[:, :, 1:HALF - 1, f].flip(2).conj()
    return torch.fft.irfft2(whole, s=(TILE, TILE))[:, :, :kernel, :kernel] / 4


def run(x: torch.Tensor, pad: tuple[int, int], kernel: int, spectrum: torch.Tensor | None,
        partner: torch.Tensor | None = None
        ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the convolution of x with the weights of a spectrum, and the correlation of x with
    a partner of the convolution's size, channels of x x channels of partner x kernel x kernel.

    x, partner: N x C x H x W, channels last. Either result is None where it is not asked for.
    """
    n, c, h, w = x.shape
    size = h + 2 * pad[0] - kernel + 1, w + 2 * pad[1] - kernel + 1
    side, many = TILE + 1 - kernel, library().fourier_rows()
    y, ends = None, 0
    if spectrum is not None:
        ends = spectrum.shape[1] * width()
        y = torch.empty(n, ends, *size, memory_format=LAST)
    planes = [None if t is None else ctypes.byref(plane(t)) for t in (x, y, partner)]
    others, bins = 0 if partner is None else partner.shape[1], len(_bins()[0])
    sums: dict[int, torch.Tensor] = {}

    def work(first: int, last: int) -> None:
        room = torch.empty(2 * bins * many * (c + max(ends, others)))
        sums[first] = torch.zeros(bins, c, others // width(), 2, width())
        library().fourier(planes[0], *pad, side, None if y is None else spectrum.data_ptr(),
                          *planes[1:], sums[first].data_ptr(), *size, first, last, many,
                          room.data_ptr())

    share(work, tiles(x.shape, (2 * pad[0], 2 * pad[1]), kernel), many)
    if partner is None:
        return y, None
    return y, _kernels(sum(sums[first] for first in sorted(sums)), kernel)


def convolve(x: torch.Tensor, weight: torch.Tensor, pad: tuple[int, int]) -> torch.Tensor:
    """Return the convolution, channels last."""
    return run(x.contiguous(memory_format=LAST), pad, weight.shape[-1], spectrum(weight))[0]


def gradients(diff: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, pad: tuple[int, int],
              down: bool, learn: bool) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Return the gradients of x and of the weights, each if it is asked for; that of x only where
    its channels are a multiple of `width()`.
    """
    kernel, channels = weight.shape[-1], x.shape[1]
    if channels % width():
        x = F.pad(x, (0, 0, 0, 0, 0, -channels % width()))
    found = run(diff.contiguous(memory_format=LAST),
                (kernel - 1 - pad[0], kernel - 1 - pad[1]), kernel,
                spectrum(weight, turned=True) if down else None,
                x.contiguous(memory_format=LAST) if learn else None)
    return found[0], None if found[1] is None else found[1][:, :channels].flip(2, 3).contiguous()
