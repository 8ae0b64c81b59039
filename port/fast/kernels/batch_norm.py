"""Batch normalisation with scale, shift and ReLU, forward and backward, by batch_norm.c.

Written layer by layer it would pass ten times over the memory; here the forward pass reads the
convolution's output z twice and the backward pass twice. Tensors are float32, channels last.
"""

from math import gcd, prod

import torch

from port.fast.kernels.calls import Sums, run, vector_width
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

    def call(self, kernel: str, relu: bool = False, sums: Sums | None = None,
             by_channel: dict[str, torch.Tensor] | None = None,
             **tensors: torch.Tensor) -> torch.Tensor | None:
        """Run a kernel over all rows; return its sums, if any.

        by_channel: arguments with one number for each channel, here repeated for every pixel
        of a row. tensors: arguments of the rows' own size.
        """
        repeated = {name: values.float().repeat(self.pixels)
                    for name, values in (by_channel or {}).items()}
        return run(kernel, self.count, max(1, GRAIN // self.pixels),
                   {'relu': relu, 'width': self.width, **repeated, **tensors}, sums=sums)

    def totals(self, kernel: str, relu: bool = False,
               by_channel: dict[str, torch.Tensor] | None = None, **tensors: torch.Tensor) -> Pair:
        """Run a kernel over all rows; return its two sums for each channel, in double precision."""
        parts = self.call(kernel, relu, ((2, self.pixels, self.channels), torch.float64),
                          by_channel, **tensors)
        assert parts is not None
        one, other = parts.sum((0, 2))
        return one, other


def moments(z: torch.Tensor) -> Pair:
    """Return mean and variance of each channel, in double precision."""
    rows = Rows(z)
    middle = z[0, :, 0, 0].clone()              # any value near the mean keeps the digits
    found = rows.totals('moments', z=z, by_channel={'centre': middle})
    total, squares = (s * rows.channels / z.numel() for s in found)
    return total + middle, (squares - total * total).clamp_(min=0)


def affine(z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, relu: bool) -> torch.Tensor:
    """Return scale z + shift, or its positive part; scale and shift: a number a channel."""
    y = empty(*z.shape, memory_format=LAST)
    Rows(z).call('affine', relu, z=z, out=y, by_channel={'scale': scale, 'shift': shift})
    return y


def gradient_sums(dy: torch.Tensor, z: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor,
                  mean: torch.Tensor, relu: bool) -> Pair:
    """Return the sums of g and of g (z - mean) a channel; g = dy where the output is positive."""
    return Rows(z).totals('gradient_sums', relu, dy=dy, z=z,
                          by_channel={'scale': scale, 'shift': shift, 'mean': mean})


def gradient(dy: torch.Tensor, z: torch.Tensor, by_channel: dict[str, torch.Tensor],
             relu: bool) -> torch.Tensor:
    """Return p g + q z + r, for scale, shift, p, q and r of each channel; g as above."""
    dz = empty(*dy.shape, memory_format=LAST)
    Rows(z).call('gradient', relu, dy=dy, z=z, out=dz, by_channel=by_channel)
    return dz
