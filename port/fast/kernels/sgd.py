"""A step of Caffe's SGDSolver in one pass over the memory, by sgd.c."""

import torch
from torch.autograd.graph import increment_version

from port.fast.kernels.calls import run

GRAIN = 1 << 16             # values that a thread takes at least


def descend(weight: torch.Tensor, velocity: torch.Tensor, gradient: torch.Tensor,
            momentum: float, rate: float, decay: float) -> None:
    """v = momentum v + rate (g + decay w); w = w - v, on contiguous float32 tensors."""
    increment_version((weight, velocity))    # torch does not see what the kernel writes
    run('sgd', weight.numel(), GRAIN, dict(weight=weight, velocity=velocity, gradient=gradient,
                                           momentum=momentum, rate=rate, decay=decay))
