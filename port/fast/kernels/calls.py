"""How Python calls a kernel: with one structure of named arguments and a range of the work.

Every kernel is `void kernel(const Arguments *, ptrdiff_t first, ptrdiff_t last, void *room, void
*sums)`: it does a part of the work, in memory of its own for what it only needs meanwhile (room),
and adds to sums where it has any.
"""

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch

from port.native.library import load
from port.native.threads import share

HERE = Path(__file__).parent
SIGNATURE = (ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_ssize_t, ctypes.c_void_p, ctypes.c_void_p)
SOURCES: dict[str, tuple[str, ...]] = {
    'winograd.c': ('winograd', 'windows', 'transform'), 'fourier.c': ('fourier',),
    'batch_norm.c': ('moments', 'affine', 'gradient_sums', 'gradient'),
    'max_unpooling.c': ('maxima', 'put_back', 'take_out'), 'sgd.c': ('sgd',)}


@cache
def libraries() -> dict[str, ctypes.CDLL]:
    """Return the loaded libraries by source; none at all unless every one can be had."""
    found = {}
    for source, kernels in SOURCES.items():
        library = load(HERE / source)
        if library is None:
            return {}
        for name in kernels:
            kernel = getattr(library, name)
            kernel.argtypes, kernel.restype = SIGNATURE, None
        found[source] = library
    return found


def available() -> bool:
    """Whether there are kernels of our own: a C compiler, and not FCN_NATIVE=0."""
    return bool(libraries())


@cache
def vector_width() -> int:
    """Return how many floats the kernels take at a time."""
    return libraries()['winograd.c'].vector_width()


def run(kernel: Any, arguments: ctypes.Structure, count: int, grain: int, room: int = 0,
        sums: Callable[[int], torch.Tensor] | None = None) -> None:
    """Have a kernel do all of 0..count on all threads, in pieces of a multiple of `grain`.

    room: how many floats of memory it needs. sums: returns what a piece adds to, from its first.
    """
    def piece(first: int, last: int) -> None:
        mine = None if sums is None else sums(first)
        kernel(ctypes.byref(arguments), first, last, _room(room).data_ptr(),
               None if mine is None else mine.data_ptr())
    share(piece, count, grain)


_kept = threading.local()


def _room(size: int) -> torch.Tensor:
    """Return memory for a thread's own use until the kernel that it runs ends. It is kept, as the
    system fills new memory with zeros, which can take as long as the kernel.
    """
    if not hasattr(_kept, 'room') or _kept.room.numel() < size:
        _kept.room = torch.empty(size)
    return _kept.room
