"""Convolutions with kernels of 5 x 5 to 8 x 8 by Fourier transforms of tiles (fourier.c): an
eighth of the products of a 7 x 7 kernel, and smaller rounding errors than its long sums have.
"""

from collections.abc import Sequence
from functools import cache
from math import prod

import torch
import torch.nn.functional as F

from port.fast.kernels.calls import constant, run, vector_width
from port.fast.kernels.planes import LAST
from port.fast.kernels.products import in_steps
from port.native.kept_memory import empty

TILE = 16
HALF = TILE // 2 + 1        # columns of a real tile's spectrum
SMALLEST, LARGEST = 5, 8    # kernels for which it pays
PIECES = 2                  # a thread, of what gives sums
Found = tuple[torch.Tensor | None, torch.Tensor | None]


def fits(weight: torch.Tensor) -> bool:
    """Whether the kernels take a dense convolution of this weight; if its channels are not a
    multiple of `vector_width()`, the gradient of its weights alone.
    """
    o, _, *kernel = weight.shape
    return (len(kernel) == 2 and kernel[0] == kernel[1] and SMALLEST <= kernel[0] <= LARGEST
            and o % vector_width() == 0)


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
    lane = vector_width()
    return parts.view(o // lane, lane, c, bins, 2).permute(3, 0, 2, 4, 1).contiguous()


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


def transform(x: torch.Tensor, pad: tuple[int, int], kernel: int, weights: torch.Tensor | None,
              partner: torch.Tensor | None = None) -> Found:
    """Return the convolution of x with the weights of a spectrum, and the correlation of x with
    a partner of the convolution's size, channels of x x channels of partner x kernel x kernel.

    x, partner: N x C x H x W, channels last. Either result is None where it is not asked for.
    """
    n, c, h, w = x.shape
    height, width = h + 2 * pad[0] - kernel + 1, w + 2 * pad[1] - kernel + 1
    bins, lane = len(_bins()[0]), vector_width()
    outputs = 0 if weights is None else weights.shape[1] * lane
    others = 0 if partner is None else partner.shape[1]
    y = empty(n, outputs, height, width, memory_format=LAST) if outputs else None
    many, sums = constant('fourier.c', 'fourier_rows'), (bins, c, others // lane, 2, lane)
    members = dict(x=x, y=y, partner=partner, spectrum=weights, top=pad[0], left=pad[1],
                   side=TILE + 1 - kernel, height=height, width=width, many=many)
    count, grain = tiles(x.shape, (2 * pad[0], 2 * pad[1]), kernel), many
    if partner is not None:                     # each piece has megabytes of sums of its own
        grain = in_steps(-(-count // (PIECES * torch.get_num_threads())), many)
    parts = run('fourier', count, grain, members,
                room=2 * bins * many * (c + max(outputs, others)),
                sums=None if partner is None else (sums, torch.float32))
    return y, None if parts is None else _kernels(parts.sum(0), kernel)


def gradients(diff: torch.Tensor, x: torch.Tensor, weight: torch.Tensor, pad: tuple[int, int],
              down: bool, learn: bool) -> Found:
    """Return the gradients of x and of the weights, each if it is asked for; that of x only where
    its channels are a multiple of `vector_width()`.

    Both share the transform of the top's gradient: the bottom's is the convolution with the
    kernels turned by half, the weights' a sum over tiles of products of spectra.
    """
    kernel, channels = weight.shape[-1], x.shape[1]
    if channels % vector_width():
        x = F.pad(x, (0, 0, 0, 0, 0, -channels % vector_width()))
    bottom, weights = transform(
        diff.contiguous(memory_format=LAST), (kernel - 1 - pad[0], kernel - 1 - pad[1]), kernel,
        spectrum(weight, turned=True) if down else None,
        x.contiguous(memory_format=LAST) if learn else None)
    return bottom, None if weights is None else weights[:, :channels].flip(2, 3).contiguous()
