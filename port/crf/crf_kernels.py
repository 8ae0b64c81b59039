"""What lattice.c holds, as Python sees it, and threads that share its works."""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import numpy as np

from port.native.library import load

LANES = 8                       # L of lattice.c
MOST = 16                       # MOST of lattice.c
MEMBER = np.dtype([('point', np.int32), ('share', np.float32)])     # Member of lattice.c
Work = tuple[Callable[[int, int], object], np.ndarray]


class LatticeSpace(ctypes.Structure):
    """Space of lattice.c: the stretch and the stride of each axis."""

    _fields_ = [('axes', ctypes.c_int), ('scale', ctypes.c_float * MOST),
                ('stride', ctypes.c_int64 * MOST)]


class VertexTable(ctypes.Structure):
    """Table of lattice.c: 2^bits slots of a code and a number."""

    _fields_ = [('slots', ctypes.c_void_p), ('bits', ctypes.c_int)]


class SlicedTerm(ctypes.Structure):
    """Term of lattice.c: what the slice reads of a term."""

    _fields_ = [('ids', ctypes.c_void_p), ('weights', ctypes.c_void_p),
                ('values', ctypes.c_void_p), ('corners', ctypes.c_int)]


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels, None where they cannot be had."""
    found = load(Path(__file__).with_name('lattice.c'))
    if found is None:
        return None
    p, i, s, f = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t, ctypes.c_float
    for name, kinds in {
            'embed': [p, p, s, p, p, s, s], 'fill_table': [p, p, s],
            'number': [p, p, i, s, s, p, p, p], 'find_neighbours': [p, p, s, i, p, p, s, s],
            'count_points': [p, s, p], 'turn_round': [p, p, s, i, p, p],
            'splat_ones': [p, p, p, s, s],
            'blur_ones': [p, p, p, s, s], 'slice_ones': [p, p, i, p, p, s, s],
            'splat': [p, p, p, p, s, s, s], 'blur': [p, p, p, s, s, s],
            'slice_softmax': [p, i, p, p, s, s, s], 'to_rows': [p, s, i, p, s, f, s, s],
            'to_planes': [p, s, p, s, i, s, s]}.items():
        getattr(found, name).argtypes, getattr(found, name).restype = kinds, None
    found.number.restype = s
    return found


def kernels() -> ctypes.CDLL:
    """Return the compiled kernels where they are known to be there."""
    found = library()
    assert found is not None
    return found


class Team:
    """Threads that do ranges of several works at a time; ctypes lets go of Python's lock."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads - 1, 'crf') if threads > 1 else None

    def __enter__(self) -> 'Team':
        return self

    def __exit__(self, *error: object) -> None:
        if self.pool:
            self.pool.shutdown()

    def even(self, count: int, grain: int = 1) -> np.ndarray:
        """Return where each thread's part of 0..count begins, and the end."""
        at = np.arange(self.threads + 1) * count // self.threads
        return np.minimum(-(-at // grain) * grain, count)

    def __call__(self, *works: Work) -> None:
        """Run works one after another, the parts of each at the same time.

        A work is a kernel, called as kernel(first, last), and the bounds of each thread's part.
        """
        def part(thread: int) -> None:
            for kernel, bounds in works:
                kernel(bounds[thread], bounds[thread + 1])
        others = [self.pool.submit(part, t) for t in range(1, self.threads)] if self.pool else []
        part(0)
        for other in others:
            other.result()

    def each(self, tasks: Sequence[Callable[[], object]]) -> None:
        """Run tasks at the same time; none of them may call the team."""
        if self.pool is None or len(tasks) < 2:
            for task in tasks:
                task()
            return
        others = [self.pool.submit(task) for task in tasks[1:]]
        tasks[0]()
        for other in others:
            other.result()
