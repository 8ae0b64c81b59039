"""2 x 2 maxima with their places, and values put back there (Upsample), by max_unpooling.c.

Tensors are float32, N x C x H x W, channels last; C is a multiple of `vector_width()`.
"""

import torch

from port.fast.kernels.calls import run
from port.fast.kernels.planes import LAST
from port.native.kept_memory import empty

GRAIN = 8           # lines that a thread takes at least


def _call(kernel: str, large: torch.Tensor, small: torch.Tensor, places: torch.Tensor) -> None:
    run(kernel, large.shape[0] * -(-large.shape[2] // 2), GRAIN,
        dict(large=large, small=small, places=places))


def maxima(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the 2 x 2 maxima and the places (row * width + column) of the first of each."""
    n, c, h, w = x.shape
    y, places = (empty(n, c, -(-h // 2), -(-w // 2), memory_format=LAST) for _ in range(2))
    _call('maxima', x, y, places)
    return y, places


def put_back(values: torch.Tensor, places: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """Return values at their places in N x C x size, zero elsewhere."""
    x = empty(*values.shape[:2], *size, memory_format=LAST)
    _call('put_back', x, values, places)
    return x


def take_out(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
    """Return what stands at the places of the windows."""
    values = empty(*places.shape, memory_format=LAST)
    _call('take_out', x, values, places)
    return values
