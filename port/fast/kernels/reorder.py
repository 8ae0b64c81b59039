"""Values copied from one order of memory into another, by reorder.c: what enters and leaves a run
that is repeated. As torch would copy them, but among the other jobs, with the same threads awake.
"""

import torch

from port.fast.kernels.calls import job

NAMES = ('image', 'channel', 'row', 'column')


class Reorder:
    """A copy of one tensor to another of its shape, float32, N x C x H x W, as a job that is done
    again and again; both may be other tensors each time, of the same strides.
    """

    def __init__(self, x: torch.Tensor, y: torch.Tensor) -> None:
        n, c, h, w = x.shape
        strides = {f'{name}_{axis}': stride for name, tensor in (('x', x), ('y', y))
                   for axis, stride in zip(NAMES, tensor.stride(), strict=True)}
        self.job = job('reorder', n * h, 1,
                       dict(x=x, y=y, channels=c, height=h, width=w, **strides))
        self.job.keeps = None                   # both are held by who sets them

    def read(self, x: torch.Tensor) -> None:
        """Copy from this tensor next time. Hold it until then."""
        self.job.arguments.x = x.data_ptr()

    def write(self, y: torch.Tensor) -> None:
        """Copy to this tensor next time. Hold it until then."""
        self.job.arguments.y = y.data_ptr()
