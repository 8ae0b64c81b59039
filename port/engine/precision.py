"""On a GPU float32 means float32: TF32, which keeps 10 bits of each factor, only on request."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

_asked = False


def use_tf32(on: bool) -> None:
    """Allow or forbid TF32 in convolutions and matrix products, from now on."""
    global _asked
    _asked = True
    _set(on)


@contextmanager
def tf32(on: bool) -> Iterator[None]:
    """Allow or forbid TF32 for a while."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn
    before = products.allow_tf32, convolutions.allow_tf32
    _set(on)
    try:
        yield
    finally:
        products.allow_tf32, convolutions.allow_tf32 = before


def exact_by_default(device: torch.device) -> None:
    """Forbid TF32 for a net on a GPU unless use_tf32 said otherwise (torch allows it in cuDNN)."""
    if device.type == 'cuda' and not _asked:
        _set(False)


def _set(on: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = on
    torch.backends.cudnn.allow_tf32 = on
