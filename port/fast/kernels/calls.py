"""How Python calls a kernel: with one structure of named arguments and a range of the work.

Every kernel is `void kernel(const Arguments *, ptrdiff_t first, ptrdiff_t last, void *room, void
*sums)`: it does a part of the work, in memory of its own for what it only needs meanwhile (room),
and adds to sums where it has any.
"""

import ctypes
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
    'winograd.c': ('winograd', 'few_channels', 'transform'), 'fourier.c': ('fourier',),
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
        space, mine = torch.empty(room), None if sums is None else sums(first)
        kernel(ctypes.byref(arguments), first, last, space.data_ptr(),
               None if mine is None else mine.data_ptr())
    share(piece, count, grain)
