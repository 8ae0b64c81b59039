"""What the windows of a large kernel read, as large_weights.py takes it (large_windows.c).

Images are N x C x H x W, float32; windows are at every position within them.
"""

from collections.abc import Sequence
from math import prod

import torch

from port.fast.kernels.calls import Argument, run, vector_width
from port.fast.kernels.planes import LAST, laid
from port.fast.kernels.products import block
from port.native.kept_memory import empty

CHANNELS = 16               # that a thread takes at a time: a line of the cache


def _members(x: torch.Tensor, kernel: Sequence[int], windows: torch.Tensor) -> dict[str, Argument]:
    n, c, h, w = x.shape
    high, wide = h - kernel[0] + 1, w - kernel[1] + 1
    return dict(x=x, windows=windows, kernel_h=kernel[0], kernel_w=kernel[1], high=high, wide=wide,
                count=n * high * wide, places=filled(n * high * wide), terms=c * prod(kernel))


def filled(count: int) -> int:
    """Return a number of windows, rounded up to whole vectors."""
    return -(-count // vector_width()) * vector_width()


def count_windows(x: torch.Tensor, kernel: Sequence[int]) -> int:
    """Return how many windows a batch of images has."""
    return len(x) * (x.shape[2] - kernel[0] + 1) * (x.shape[3] - kernel[1] + 1)


def panels_of_windows(x: torch.Tensor, kernel: Sequence[int]) -> torch.Tensor:
    """Return the windows in panels: windows / NR x terms x NR."""
    panels, wide = -(-count_windows(x, kernel) // block()[0]), block()[0]
    found = empty(panels, x.shape[1] * prod(kernel), wide)
    run('panels_of_windows', panels, 1, _members(laid(x), kernel, found))
    return found


def panels_of_terms(x: torch.Tensor, kernel: Sequence[int]) -> torch.Tensor:
    """Return the terms of all windows in panels: terms / NR x windows x NR. Raises ValueError where
    the terms do not fill them.
    """
    (_, channels, *_), wide = x.shape, block()[0]
    terms, places = channels * prod(kernel), filled(count_windows(x, kernel))
    if terms % wide:
        raise ValueError(f'{terms} terms do not fill panels of {wide}')
    found = empty(terms // wide, places, wide)
    run('panels_of_terms', places, 1, _members(laid(x), kernel, found))
    return found


def put_together(windows: torch.Tensor, shape: torch.Size, kernel: Sequence[int]) -> torch.Tensor:
    """Return the sums of what windows x terms give to each place of an image of a shape."""
    x = torch.zeros(shape).contiguous(memory_format=LAST)
    run('put_windows_together', shape[1], CHANNELS, _members(x, kernel, windows))
    return x
