"""What the windows of a large kernel read, as large_weights.py takes it (large_windows.c).

Images are N x C x H x W, float32; windows are at every position within them, with holes or without.
"""

from math import prod

import torch

from netspec.window import Window
from port.fast.kernels.calls import Argument, run, vector_width
from port.fast.kernels.planes import LAST, laid
from port.fast.kernels.products import block
from port.native.kept_memory import empty

CHANNELS = 16               # that a thread takes at a time: a line of the cache


def _members(x: torch.Tensor, window: Window, windows: torch.Tensor) -> dict[str, Argument]:
    (kernel_h, kernel_w), (down, across) = window.kernel, window.dilation
    high, wide = _windows(x, window)
    return dict(x=x, windows=windows, kernel_h=kernel_h, kernel_w=kernel_w, high=high, wide=wide,
                down=down * x.stride(2), across=across * x.shape[1], count=len(x) * high * wide,
                places=filled(len(x) * high * wide), terms=x.shape[1] * prod(window.kernel))


def _windows(x: torch.Tensor, window: Window) -> tuple[int, int]:
    """Return how many windows an image has, in rows and columns."""
    (rows, columns), (_, _, height, width) = window.extent, x.shape
    return height - rows + 1, width - columns + 1


def filled(count: int) -> int:
    """Return a number of windows, rounded up to whole vectors."""
    return -(-count // vector_width()) * vector_width()


def count_windows(x: torch.Tensor, window: Window) -> int:
    """Return how many windows a batch of images has."""
    return len(x) * prod(_windows(x, window))


def panels_of_windows(x: torch.Tensor, window: Window,
                      dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Return the windows in panels: windows / NR x terms x NR; in bfloat16, of an even number of
    terms, windows / NR x terms / 2 x NR pairs, each in the memory of a float.
    """
    pairs = dtype == torch.bfloat16
    panels, wide = -(-count_windows(x, window) // block()[0]), block()[0]
    found = empty(panels, x.shape[1] * prod(window.kernel) // (1 + pairs), wide)
    x = x.to(dtype).float()              # rounded once: each value is in many windows
    run('panels_of_windows', panels, 1,
        _members(laid(x), window, found) | {'pairs': pairs})
    return found


def panels_of_terms(x: torch.Tensor, window: Window) -> torch.Tensor:
    """Return the terms of all windows in panels: terms / NR x windows x NR. Raises ValueError where
    the terms do not fill them.
    """
    (_, channels, *_), wide = x.shape, block()[0]
    terms, places = channels * prod(window.kernel), filled(count_windows(x, window))
    if terms % wide:
        raise ValueError(f'{terms} terms do not fill panels of {wide}')
    found = empty(terms // wide, places, wide)
    run('panels_of_terms', places, 1, _members(laid(x), window, found))
    return found


def put_together(windows: torch.Tensor, shape: torch.Size, window: Window) -> torch.Tensor:
    """Return the sums of what windows x terms give to each place of an image of a shape."""
    x = torch.zeros(shape).contiguous(memory_format=LAST)
    run('put_windows_together', shape[1], CHANNELS, _members(x, window, windows))
    return x
