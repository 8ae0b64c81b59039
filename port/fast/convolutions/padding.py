"""Bottoms with zeros around them, and pixels as rows."""

import torch
import torch.nn.functional as F

from netspec.window import Window
from port.fast.convolutions.task import Pads
from port.fast.kernels.planes import LAST


def padded(x: torch.Tensor, pads: Pads, window: Window) -> tuple[torch.Tensor, tuple[int, int]]:
    """Return what to convolve, and the padding of rows and columns that is left to the algorithm:
    none where the two ends of an axis have different paddings, which they do not take, and none
    where a window may read nothing but padding (`is_narrow`); it is then in the tensor returned.
    """
    left, right, above, below = pads
    if left != right or above != below or is_narrow(x, window):
        return with_zeros(x, pads), (0, 0)
    return x, (above, left)


def with_zeros(x: torch.Tensor, pads: Pads) -> torch.Tensor:
    """Return a bottom with its padding, if there is any."""
    return F.pad(x, pads) if any(pads) else x


def unpadded(x: torch.Tensor | None, pads: Pads) -> torch.Tensor | None:
    """Return the gradient of what was padded."""
    return F.pad(x, [-n for n in pads]) if x is not None and any(pads) else x


def is_narrow(x: torch.Tensor, window: Window) -> bool:
    """Whether an axis is shorter than a step of the window, which may then read nothing but
    padding: that breaks oneDNN's kernels for channels last (NaN, or the process ends).
    """
    (down, right), (below, beside) = window.stride, window.dilation
    return x.shape[2] < max(down, below) or x.shape[3] < max(right, beside)


def rows_of(x: torch.Tensor) -> torch.Tensor:
    """Return N x C x H x W as pixels x channels."""
    return x.contiguous(memory_format=LAST).permute(0, 2, 3, 1).flatten(0, 2)
