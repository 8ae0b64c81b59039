"""Batch normalisation with scale, shift and ReLU, forward and backward, by batch_norm.c.

Written layer by layer it would pass ten times over the memory; here the forward pass reads the
convolution's output z twice and the backward pass twice. Tensors are float32, channels last.
"""

from math import gcd, prod

import torch

from port.fast.kernels.calls import run, vector_width
from port.fast.kernels.planes import LAST, plane
from port.native.kept_memory import empty

GRAIN = 4096                # pixels that a thread takes at least
Pair = tuple[torch.Tensor, torch.Tensor]


def pixels_a_row(channels: int) -> int:
    """Return how many pixels, one after the other, fill whole vectors: 16 of 11 channels."""
    return vector_width() // gcd(channels, vector_width())


def fills_vectors(shape: tuple[int, ...]) -> bool:
    """Whether all pixels of a tensor N x C x H x W fill whole vectors."""
    return prod(shape) % (shape[1] * pixels_a_row(shape[1])) == 0


class Rows:
    """A tensor as the kernels see it: rows of `width` numbers, each of as many pixels as fill
    whole vectors. Raises ValueError where the pixels do not divide.
    """

    def __init__(self, x: torch.Tensor) -> None:
        plane(x)                                  # which refuses another order of memory
        self.channels, self.pixels = x.shape[1], pixels_a_row(x.shape[1])
        self.width = self.channels * self.pixels
        self.count, rest = divmod(x.numel(), self.width)
        if rest:
            raise ValueError(f'{x.numel() // self.channels} pixels of {self.channels} channels '
                             f'do not fill vectors; expected a multiple of {self.pixels}')

    def call(self, kernel: str, relu: bool = False, sums: 'Sums | None' = None,
             by_channel: dict[str, torch.Tensor] | None = None, **tensors: torch.Tensor) -> None:
        """Run a kernel over all rows.

        by_channel: arguments with one number for each channel, here repeated for every pixel
        of a row. tensors: arguments of the rows' own size.
        """
        repeated = {name: values.float().repeat(self.pixels)
                    for name, values in (by_channel or {}).items()}
        run(kernel, self.count, max(1, GRAIN // self.pixels),
            {'relu': relu, 'width': self.width, **repeated, **tensors},
            sums=None if sums is None else sums.part)


class Sums:
    """Two sums for each channel, in double precision. Each thread's piece of the work has its own,
    added up in the pieces' order, so that the result does not depend on which ended first.
    """

    def __init__(self, rows: Rows) -> None:
        self.rows, self.parts = rows, dict[int, torch.Tensor]()

    def part(self, first: int) -> torch.Tensor:
        """Return the sums of the piece that begins at a row."""
        self.parts[first] = torch.zeros(2 * self.rows.width, dtype=torch.float64)
        return self.parts[first]

    def total(self) -> Pair:
        """Return both sums."""
        whole = torch.stack([self.parts[first] for first in sorted(self.parts)]).sum(0)
        one, other = whole.view(2, self.rows.pixels, self.rows.channels).sum(1)
        return one, other


def moments(z: torch.Tensor) -> Pair:
    """Return mean and variance of each channel, in double precision."""
    rows = Rows(z)
    sums = Sums(rows)
    middle = z[0, :, 0, 0].clone()              # any value near the mean keeps the digits
    rows.call('moments', z=z, by_channel={'centre': middle}, sums=sums)
    total, squares = (s * rows.channels / z.numel() for s in sums.total())
    return total + middle, (squares - total * total).clamp_(min=0)


def affine(z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, relu: bool) -> torch.Tensor:
    """Return scale z + shift, or its positive part; scale and shift: a number a channel."""
    y = empty(*z.shape, memory_format=LAST)
    Rows(z).call('affine', relu, z=z, out=y, by_channel={'scale': scale, 'shift': shift})
    return y


def gradient_sums(dy: torch.Tensor, z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor,
                  mean: torch.Tensor, relu: bool) -> Pair:
    """Return the sums of g and of g (z - mean) a channel; g = dy where the output is positive."""
    rows = Rows(z)
    sums = Sums(rows)
    rows.call('gradient_sums', relu, sums, dy=dy, z=z,
              by_channel={'scale': scale, 'shift': shift, 'mean': mean})
    return sums.total()


def gradient(dy: torch.Tensor, z: torch.Tensor, by_channel: dict[str, torch.Tensor],
             relu: bool) -> torch.Tensor:
    """Return p g + q z + r, for scale, shift, p, q and r of each channel; g as above."""
    dz = empty(*dy.shape, memory_format=LAST)
    Rows(z).call('gradient', relu, dy=dy, z=z, out=dz, by_channel=by_channel)
    return dz
