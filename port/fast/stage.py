"""What follows a convolution in an encoder or decoder (stage.c): batch normalisation with scale,
shift and ReLU, 2 x 2 maxima with their places, and values put back there.

Tensors are float32, N x C x H x W, channels last; C a multiple of `width()` for the maxima.
"""

import ctypes
from collections.abc import Callable
from functools import cache
from math import gcd, prod
from pathlib import Path

import torch

from port.fast.native import lanes, plane
from port.native.library import load
from port.native.threads import share

HERE = Path(__file__).parent
LAST = torch.channels_last
GRAIN = 4096                # pixels that a thread takes at least


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels, None where they cannot be had."""
    found = load(HERE / 'stage.c')
    if found is None:
        return None
    p, i, s = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t
    found.moments.argtypes = [p, p, i, s, s, p]
    found.affine.argtypes = [p, p, p, i, i, s, s, p]
    found.gradient_sums.argtypes = [p, p, p, p, p, i, i, s, s, p]
    found.gradient.argtypes = [p, p, p, p, i, p, p, p, i, s, s, p]
    found.maxima.argtypes = [p, s, s, p, p]
    found.put_back.argtypes = [p, p, s, s, p]
    found.take_out.argtypes = [p, p, s, s, p]
    for name in ('moments', 'affine', 'gradient_sums', 'gradient', 'maxima', 'put_back',
                 'take_out'):
        getattr(found, name).restype = None
    return found


def width() -> int:
    """Return how many channels the kernels take at a time."""
    return lanes()[0] // 2


def fold(channels: int) -> int:
    """Return how many pixels have to count as one for their channels to fill whole vectors."""
    return width() // gcd(channels, width())


def fills(shape: tuple[int, ...]) -> bool:
    """Whether all pixels of a tensor N x C x H x W fill whole vectors."""
    return prod(shape) % (shape[1] * fold(shape[1])) == 0


class Rows:
    """A tensor as the kernels of normalisation see it: rows of `wide` numbers, each of as many
    pixels as fill whole vectors. Raises ValueError where the pixels do not divide.
    """

    def __init__(self, x: torch.Tensor) -> None:
        plane(x)
        self.channels, self.times = x.shape[1], fold(x.shape[1])
        self.wide = self.channels * self.times
        self.count, rest = divmod(x.numel(), self.wide)
        if rest:
            raise ValueError(f'{x.numel() // self.channels} pixels of {self.channels} channels '
                             f'do not fill vectors; expected a multiple of {self.times}')

    def spread(self, values: torch.Tensor) -> torch.Tensor:
        """Return a value a channel as one a number of a row."""
        return values.float().repeat(self.times)

    def share(self, work: Callable[[int, int], None]) -> None:
        """Call work(first, last) over all rows, on all threads."""
        share(work, self.count, max(1, GRAIN // self.times))


class Sums:
    """Two double sums a channel, gathered by threads in pieces and added up in their order."""

    def __init__(self, rows: Rows) -> None:
        self.rows, self.parts = rows, {}

    def part(self, first: int) -> int:
        """Return the address of a piece's sums."""
        self.parts[first] = torch.zeros(2 * self.rows.wide, dtype=torch.float64)
        return self.parts[first].data_ptr()

    def total(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both sums."""
        whole = sum(self.parts[first] for first in sorted(self.parts))
        return tuple(whole.view(2, self.rows.times, self.rows.channels).sum(1))


def moments(z: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and variance of each channel, in double precision."""
    rows = Rows(z)
    sums = Sums(rows)
    middle = z[0, :, 0, 0].clone()              # any value near the mean keeps the digits
    centre = rows.spread(middle)
    rows.share(lambda first, last: library().moments(
        z.data_ptr(), centre.data_ptr(), rows.wide, first, last, sums.part(first)))
    total, squares = (s * rows.channels / z.numel() for s in sums.total())
    return total + middle, (squares - total * total).clamp_(min=0)


def affine(z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, relu: bool) -> torch.Tensor:
    """Return scale z + shift, or its positive part; scale and shift have a number a channel."""
    y, rows = torch.empty_like(z), Rows(z)
    a, b = rows.spread(scale), rows.spread(shift)
    rows.share(lambda first, last: library().affine(
        z.data_ptr(), a.data_ptr(), b.data_ptr(), relu, rows.wide, first, last, y.data_ptr()))
    return y


def gradient_sums(dy: torch.Tensor, z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor,
                  mean: torch.Tensor, relu: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the sums of g and of g (z - mean) a channel; g = dy where the output is positive."""
    rows = Rows(z)
    sums = Sums(rows)
    a, b, m = (rows.spread(t) for t in (scale, shift, mean))
    rows.share(lambda first, last: library().gradient_sums(
        dy.data_ptr(), z.data_ptr(), a.data_ptr(), b.data_ptr(), m.data_ptr(), relu, rows.wide,
        first, last, sums.part(first)))
    return sums.total()


def gradient(dy: torch.Tensor, z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor,
             relu: bool, p: torch.Tensor, q: torch.Tensor, r: torch.Tensor) -> torch.Tensor:
    """Return p g + q z + r."""
    dz, rows = torch.empty_like(dy), Rows(z)
    a, b, *rest = (rows.spread(t) for t in (scale, shift, p, q, r))
    rows.share(lambda first, last: library().gradient(
        dy.data_ptr(), z.data_ptr(), a.data_ptr(), b.data_ptr(), relu,
        *(t.data_ptr() for t in rest), rows.wide, first, last, dz.data_ptr()))
    return dz


def _halves(x: torch.Tensor) -> tuple[int, int, int, int]:
    n, c, h, w = x.shape
    return n, c, (h + 1) // 2, (w + 1) // 2


def maxima(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the 2 x 2 maxima and the places (row * width + column) of the first of each."""
    into, shape = plane(x), _halves(x)
    y, places = (torch.empty(shape, memory_format=LAST) for _ in range(2))
    share(lambda first, last: library().maxima(
        ctypes.byref(into), first, last, y.data_ptr(), places.data_ptr()), shape[0] * shape[2], 8)
    return y, places


def put_back(values: torch.Tensor, places: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return values at their places in N x C x size, zero elsewhere."""
    x = torch.empty(*values.shape[:2], *size, memory_format=LAST)
    out, shape = plane(x), _halves(x)
    share(lambda first, last: library().put_back(
        values.data_ptr(), places.data_ptr(), first, last, ctypes.byref(out)),
        shape[0] * shape[2], 8)
    return x


def take_out(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return what stands at the places of the windows."""
    into, values = plane(x), torch.empty_like(places)
    n, _, h, _ = _halves(x)
    share(lambda first, last: library().take_out(
        ctypes.byref(into), places.data_ptr(), first, last, values.data_ptr()), n * h, 8)
    return values
