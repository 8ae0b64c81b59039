"""Upsampling along rows and columns (upsample.c), each a product with a narrow matrix."""

from math import prod
from typing import NamedTuple

import torch

from port.fast.kernels.calls import run, vector_width
from port.fast.kernels.planes import laid


class Narrow(NamedTuple):
    """A matrix, outputs x inputs, whose rows have few values, side by side. first: the input that
    each begins with. shares: outputs x terms.
    """

    first: torch.Tensor
    shares: torch.Tensor


def narrow(matrix: torch.Tensor, terms: int) -> Narrow:
    """Return a matrix, of whose rows at most `terms` neighbours are not zero."""
    terms = min(terms, matrix.shape[1])
    first = (matrix != 0).int().argmax(1).clamp(max=matrix.shape[1] - terms)
    return Narrow(first.int(), matrix.gather(1, first[:, None] + torch.arange(terms)))


def between(at: torch.Tensor, inputs: int) -> Narrow:
    """Return what interpolates linearly between neighbours, at places from 0 to inputs - 1."""
    if inputs == 1:
        return Narrow(torch.zeros(len(at), dtype=torch.int32), torch.ones(len(at), 1))
    first = at.floor().clamp(max=inputs - 2)
    share = at - first
    return Narrow(first.int(), torch.stack([1 - share, share], 1))


def upsample(x: torch.Tensor, down: Narrow, across: Narrow, y: torch.Tensor) -> None:
    """Write down @ x @ across^T of each channel to y, N x C x H x W, whose channels or columns are
    next to each other; ValueError where neither are.
    """
    x = laid(x)
    image, channel, row, pixel = y.stride()
    channel = 1 if y.shape[1] == 1 and pixel != 1 else channel
    if 1 not in (channel, pixel):
        raise ValueError(f'strides {y.stride()}: neither channels nor columns lie together')
    run('upsample', len(y) * y.shape[2], 1,
        dict(x=x, y=y, image=image, row=row, pixel=pixel, channel=channel, height=y.shape[2],
             width=y.shape[3], above=down.first, before=across.first, down=down.shares,
             across=across.shares.T.contiguous(), down_terms=down.shares.shape[1],
             across_terms=across.shares.shape[1]), room=2 * prod(x.shape[1::2]) + vector_width())
