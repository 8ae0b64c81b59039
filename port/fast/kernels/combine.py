"""Tensors put side by side, added up, or multiplied and shifted channel by channel (combine.c):
float32, N x C x H x W, channels last.
"""

from collections.abc import Sequence

import torch

from port.fast.kernels.calls import run
from port.fast.kernels.planes import laid


def put_side_by_side(tensors: Sequence[torch.Tensor], y: torch.Tensor) -> None:
    """Write the channels of all tensors, one after the other, to y."""
    at = 0
    for x in tensors:
        run('beside', len(y) * y.shape[2], 1, dict(x=laid(x), y=y, at=at))
        at += x.shape[1]


def add_up(x: torch.Tensor, other: torch.Tensor, shares: Sequence[float], relu: bool,
           y: torch.Tensor) -> None:
    """Write the sum of two tensors, each times its share, or its positive part to y."""
    run('sum', len(y) * y.shape[2], 1,
        dict(x=laid(x), other=laid(other), y=y, share=shares[0], other_share=shares[1], relu=relu))


def channelwise(x: torch.Tensor, scale: torch.Tensor, shift: torch.Tensor, relu: bool,
                y: torch.Tensor) -> None:
    """Write scale x + shift, or its positive part, to y; scale and shift: a number a channel."""
    run('channelwise', len(y) * y.shape[2], 1,
        dict(x=laid(x), y=y, scale=scale, shift=shift, relu=relu))
