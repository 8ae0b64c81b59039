"""A step of Caffe's SGDSolver in one pass over the memory, by sgd.c."""

import ctypes

import torch
from torch.autograd.graph import increment_version

from port.fast.kernels.calls import libraries, run
from port.fast.kernels.planes import address

GRAIN = 1 << 16             # values that a thread takes at least


class SgdArguments(ctypes.Structure):
    """Sgd in sgd.c."""

    _fields_ = [*((name, ctypes.c_void_p) for name in ('weight', 'velocity', 'gradient')),
                *((name, ctypes.c_float) for name in ('momentum', 'rate', 'decay'))]


def descend(weight: torch.Tensor, velocity: torch.Tensor, gradient: torch.Tensor,
            momentum: float, rate: float, decay: float) -> None:
    """v = momentum v + rate (g + decay w); w = w - v, on contiguous float32 tensors."""
    increment_version((weight, velocity))    # torch does not see what the kernel writes
    arguments = SgdArguments(address(weight), address(velocity), address(gradient), momentum,
                             rate, decay)
    run(libraries()['sgd.c'].sgd, arguments, weight.numel(), GRAIN)
