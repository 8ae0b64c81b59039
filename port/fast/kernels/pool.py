"""Maxima or means of windows (pool.c), over float32 tensors N x C x H x W with channels last."""

from collections.abc import Sequence

import torch

from port.engine.pool_axis import Axis
from port.fast.kernels.calls import Argument, run
from port.fast.kernels.planes import laid

ENDS = ('top', 'bottom'), ('left', 'right')


def pool(x: torch.Tensor, axes: Sequence[Axis], y: torch.Tensor,
         divisors: Sequence[torch.Tensor] | None = None) -> None:
    """Write the maxima of windows to y; with divisors of the rows and of the columns, a number for
    each output, the sums divided by both. A window without a place gives -FLT_MAX, or zero.
    """
    members: dict[str, Argument] = dict(x=laid(x), y=y)
    for axis, ends in zip(axes, ENDS, strict=True):
        starts = torch.arange(axis.out, dtype=torch.int32) * axis.stride - axis.pad
        members |= zip(ends, (starts.clamp(min=0), (starts + axis.kernel).clamp(max=axis.size)),
                       strict=True)
    if divisors is not None:
        members |= zip(('down', 'across'), divisors, strict=True)
    run('pool', len(y) * y.shape[2], 1, members)
