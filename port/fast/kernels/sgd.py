"""A step of Caffe's SGDSolver in one pass over the memory, by sgd.c."""

from collections.abc import Iterable

import torch
from torch.autograd.graph import increment_version

from port.fast.kernels.calls import job
from port.native.jobs import run_jobs

GRAIN = 1 << 16             # values that a thread takes at least
Row = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def descend(rows: Iterable[Row], momentum: float, rate: float, decay: float) -> None:
    """v = momentum v + rate (g + decay w); w = w - v, for rows of w, v and g: contiguous float32
    tensors.
    """
    jobs = []
    for weight, velocity, gradient in rows:
        increment_version((weight, velocity))    # torch does not see what the kernel writes
        jobs.append(job('sgd', weight.numel(), GRAIN, dict(
            weight=weight, velocity=velocity, gradient=gradient, momentum=momentum, rate=rate,
            decay=decay)))
    run_jobs(jobs)
