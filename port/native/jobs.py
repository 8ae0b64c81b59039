"""Kernels and what they are called with, run on all threads by one call (jobs.c).

Every kernel is `void kernel(const Arguments *, size first, size last, float *room, void *sums)`: it
does a part of the work, in memory of its own for what it only needs meanwhile (room), and adds to
sums where it has any.
"""

import ctypes
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import torch

from port.native.large_pages import in_large_pages
from port.native.library import load

KEPT_BOUNDS = 4096
SHARES = 2      # a thread, that the rest of the work is thought to be cut into: a piece is one
_this = threading.local()           # this thread's room and notes
Size = ctypes.c_ssize_t
Bounds = ctypes.Array[Size]
Kernel = ctypes.CFUNCTYPE(None, ctypes.c_void_p, Size, Size, ctypes.c_void_p, ctypes.c_void_p)


def pieces(count: int, grain: int) -> Bounds:
    """Return bounds of pieces that make up 0..count, for as many threads as torch has.

    Every piece but the last is a multiple of `grain` long. They get shorter towards the end, so
    that all threads end at about the same time.
    """
    return _pieces(count, grain, torch.get_num_threads())


@lru_cache(KEPT_BOUNDS)
def _pieces(count: int, grain: int, threads: int) -> Bounds:
    rest = -(-count // grain)
    if threads == 1 or rest <= 1:
        return (Size * 2)(0, count)
    bounds = [0]
    while rest:
        grains = -(-rest // (SHARES * threads))
        bounds.append(min(count, bounds[-1] + grains * grain))
        rest -= grains
    return (Size * len(bounds))(*bounds)


@dataclass
class Job:
    """A kernel (the address of its function), its arguments, and the bounds of its pieces. room:
    how many floats each thread needs meanwhile. sums: what the pieces add to, the first axis
    counts them. keeps: what must live as long as the job, as the arguments point to it.
    """

    kernel: int
    arguments: ctypes.Structure
    bounds: Bounds
    room: int = 0
    sums: torch.Tensor | None = None
    keeps: Any = field(default=None, repr=False)


class Notes:
    """The jobs that ran while it was on. complete: whether nothing else was computed, so that to
    run them again does the same with what their memory holds by then.
    """

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.complete = True

    @contextmanager
    def on(self) -> Iterator[None]:
        """Note what this thread runs meanwhile."""
        before, _this.notes = getattr(_this, 'notes', None), self
        try:
            yield
        finally:
            _this.notes = before


def run_jobs(jobs: list[Job]) -> None:
    """Run jobs, each begun when the one before is done."""
    Jobs(jobs).run()
    _note(jobs)


def _note(jobs: list[Job]) -> None:
    notes: Notes | None = getattr(_this, 'notes', None)
    if notes is not None:
        notes.jobs.extend(jobs)


def not_by_jobs() -> None:
    """Tell the notes that something else than jobs computes a result."""
    notes: Notes | None = getattr(_this, 'notes', None)
    if notes is not None:
        notes.complete = False


def run_job(job: Job) -> None:
    """Run one job."""
    threads, team, sums = torch.get_num_threads(), _team(), job.sums
    if team is None and threads > 1:
        Jobs([job]).run()
    else:
        _library().run_job(
            job.kernel, ctypes.addressof(job.arguments), job.bounds, len(job.bounds) - 1,
            None if sums is None else sums.data_ptr(), _step(sums),
            _room(job.room * threads).data_ptr(), job.room, threads, team)
    _note([job])


class _Job(ctypes.Structure):
    """As in jobs.c."""

    _fields_ = [('kernel', ctypes.c_void_p), ('arguments', ctypes.c_void_p),
                ('bounds', ctypes.c_void_p), ('sums', ctypes.c_void_p), ('sums_step', Size),
                ('pieces', ctypes.c_int), ('next', ctypes.c_int), ('done', ctypes.c_int)]


class _Jobs(ctypes.Structure):
    """As in jobs.c."""

    _fields_ = [('jobs', ctypes.c_void_p), ('count', ctypes.c_int), ('threads', ctypes.c_int),
                ('room', ctypes.c_void_p), ('room_step', Size)]


class _Team(ctypes.Structure):
    """As in jobs.c."""

    _fields_ = [(name, ctypes.c_void_p) for name in ('parallel', 'thread')]


@cache
def _team() -> _Team | None:
    """Return torch's threads; None where they are not those of GNU's OpenMP."""
    if sys.platform != 'linux':
        return None
    try:
        library = ctypes.CDLL('libgomp.so.1', mode=os.RTLD_NOLOAD)
        functions = library.GOMP_parallel, library.omp_get_thread_num
    except (OSError, AttributeError):
        return None
    return _Team(*(ctypes.cast(function, ctypes.c_void_p) for function in functions))


@cache
def _library() -> Any:
    """Return jobs.c; None where it cannot be compiled."""
    library = load(Path(__file__).with_name('jobs.c'))
    if library is None:
        return None
    pointer, number, team = ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(_Team)
    library.run_jobs.argtypes, library.run_jobs.restype = (pointer, team), None
    library.run_job.argtypes = (pointer, pointer, pointer, number, pointer, Size, pointer, Size,
                                number, team)
    library.run_job.restype = None
    return library


def _step(sums: torch.Tensor | None) -> int:
    """Return how many bytes lie from one piece's sums to the next's."""
    return 0 if sums is None else sums.stride(0) * sums.element_size()


class Jobs:
    """Jobs that are run one after the other, each on all threads; as often as one likes."""

    def __init__(self, jobs: Sequence[Job]) -> None:
        self.jobs = [*jobs]
        self.room = max((job.room for job in jobs), default=0)
        self._rows = (_Job * len(jobs))(*(
            _Job(job.kernel, ctypes.addressof(job.arguments), ctypes.addressof(job.bounds),
                 None if job.sums is None else job.sums.data_ptr(), _step(job.sums),
                 len(job.bounds) - 1)
            for job in jobs))

    def run(self) -> None:
        """Run them. Not from several threads at once."""
        threads, team = torch.get_num_threads(), _team()
        if team is None and threads > 1:
            return self._by_python(threads)
        room = _room(self.room * threads)
        now = _Jobs(ctypes.addressof(self._rows), len(self.jobs), threads, room.data_ptr(),
                    self.room)
        _library().run_jobs(ctypes.byref(now), team)
        return None

    def _by_python(self, threads: int) -> None:
        """Run them on threads of Python's: kernels called through ctypes let go of its lock."""
        for job in self.jobs:
            turns = iter(range(len(job.bounds) - 1))     # whoever is free takes the next
            others = [_pool(threads - 1).submit(_take, job, turns)
                      for _ in range(min(threads, len(job.bounds) - 1) - 1)]
            try:
                _take(job, turns)
            finally:
                wait(others)
            for other in others:
                other.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, 'fcn-kernels')


def _take(job: Job, turns: Any) -> None:
    """Take pieces of a job until there are none left."""
    kernel = Kernel(job.kernel)
    for i in turns:
        sums = None if job.sums is None else job.sums[i].data_ptr()
        kernel(ctypes.addressof(job.arguments), job.bounds[i], job.bounds[i + 1],
               _room(job.room).data_ptr(), sums)


def _room(size: int) -> torch.Tensor:
    """Return memory for what kernels only need meanwhile. Each thread keeps its own, as the system
    fills new memory with zeros, which can take as long as the kernel.
    """
    if not hasattr(_this, 'room') or _this.room.numel() < size:
        _this.room = in_large_pages(torch.empty(size))
    return _this.room
