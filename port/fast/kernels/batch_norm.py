"""Batch normalisation with scale, shift and ReLU, forward and backward, by batch_norm.c.

Written layer by layer it would pass ten times over the memory; here the forward pass reads the
convolution's output z twice and the backward pass twice. Tensors are float32, channels last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, prod

import torch
from torch.autograd.graph import increment_version

from port.fast.kernels.calls import Argument, Sums, job, vector_width
from port.fast.kernels.planes import LAST, plane
from port.native.jobs import Job, run_jobs
from port.native.kept_memory import empty

GRAIN = 4096                # pixels that a thread takes at least


@dataclass(frozen=True)
class Normal:
    """What a pass did to each channel: y = scale z + shift, of which the normal form is
    (z - mean) rate.

    by_channel: mean, rate, scale and shift, float64, 4 x channels. rows: scale, shift and mean as
    the kernels read them, float32.
    """

    by_channel: torch.Tensor
    rows: torch.Tensor


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
        self.width, self.all_pixels = self.channels * self.pixels, x.numel() // x.shape[1]
        self.count, rest = divmod(self.all_pixels, self.pixels)
        if rest:
            raise ValueError(f'{self.all_pixels} pixels of {self.channels} channels '
                             f'do not fill vectors; expected a multiple of {self.pixels}')

    def over(self, kernel: str, relu: bool = False, sums: Sums | None = None,
             **tensors: torch.Tensor) -> Job:
        """Return the job of a pass over all rows. tensors: of all rows, of one or of three."""
        return job(kernel, self.count, max(1, GRAIN // self.pixels),
                   {'relu': relu, 'width': self.width, **tensors}, sums=sums)

    def sums(self, kernel: str, relu: bool = False, **tensors: torch.Tensor) -> Job:
        """Return the job of a pass that finds two sums for each number of a row."""
        return self.over(kernel, relu, ((2, self.width), torch.float64), **tensors)

    def settle(self, kernel: str, summed: Job, **members: Argument) -> Job:
        """Return the job that makes of a pass' sums what the next pass needs of each channel."""
        return job(kernel, self.channels, self.channels, {
            'sums': summed.sums, 'pieces': len(summed.bounds) - 1, 'width': self.width,
            'channels': self.channels, 'pixels': self.all_pixels, **members})


def normalise(z: torch.Tensor, scale: Sequence[torch.Tensor], relu: bool, eps: float,
              kept: Sequence[torch.Tensor], fraction: float) -> tuple[torch.Tensor, Normal]:
    """Return y = gamma (z - mean) / sqrt(variance + eps) + beta by the batch's own mean and
    variance, or its positive part, and what was done.

    scale: gamma and beta; without beta that is 0, without both gamma is 1. kept: BatchNorm's mean,
    variance and weight, into which the batch is counted; fraction: of what stood there before.
    """
    rows = Rows(z)
    centre = z[0, :, 0, 0]                       # any values near the mean keep the digits
    if rows.pixels > 1:
        centre = centre.repeat(rows.pixels)
    normal = Normal(torch.empty(4, rows.channels, dtype=torch.float64), torch.empty(3, rows.width))
    y = empty(*z.shape, memory_format=LAST)
    moments = rows.sums('moments', z=z, centre=centre)
    increment_version([*kept])                   # torch does not see what the kernel writes
    mean, variance, weight = kept
    settle = rows.settle('settle_moments', moments, centre=centre, mean=mean, variance=variance,
                         weight=weight, normal=normal.by_channel, rows=normal.rows, eps=eps,
                         fraction=fraction, **dict(zip(('gamma', 'beta'), scale, strict=False)))
    run_jobs([moments, settle, rows.over('affine', relu, z=z, out=y, rows=normal.rows)])
    return y, normal


def gradients(dy: torch.Tensor, z: torch.Tensor, normal: Normal,
              relu: bool) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of z, gamma and beta. relu: as for `normalise`."""
    rows, dz = Rows(z), empty(*dy.shape, memory_format=LAST)
    pqr, gamma, beta = (torch.empty(3, rows.width), torch.empty(rows.channels),
                        torch.empty(rows.channels))
    summed = rows.sums('gradient_sums', relu, dy=dy, z=z, rows=normal.rows)
    settle = rows.settle('settle_gradients', summed, normal=normal.by_channel, rows=pqr,
                         gamma_diff=gamma, beta_diff=beta)
    run_jobs([summed, settle, rows.over('gradient', relu, dy=dy, z=z, out=dz, rows=normal.rows,
                                        pqr=pqr)])
    return dz, gamma, beta
