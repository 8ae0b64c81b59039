"""Memory for the results of kernels, kept from one training pass to the next.

Every pass computes values of about the same sizes and lets go of them. Where it takes new memory
for each, the system fills all of it with zeros first: up to a third of a training step. Here the
memory of tensors that are no longer held serves the next ones.
"""

import threading
import weakref
from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
import torch

from port.native.large_pages import in_large_pages

LEAST = 1 << 16             # values, below which new memory costs little
ALIGNED = 16                # values, that pieces begin at a multiple of: a line of the cache
TOGETHER = 1 << 22          # values that come from the system at once, at least: 16 MB
MORE = 1.25                 # of what was lent at once, may be kept: pieces never fit quite
Span = tuple[int, int]      # the first value and the one behind the last
Gap = tuple[int, int, int]  # how many values, the number of their slab, the first of them


class Slab:
    """Memory that came from the system at once, of which parts are lent.

    ends: where each gap, which is not lent, ends, by where it begins; begins: the other way round.
    Two gaps never touch.
    """

    def __init__(self, count: int) -> None:
        self.memory: np.ndarray = in_large_pages(torch.empty(count)).numpy()
        self.ends: dict[int, int] = {}
        self.begins: dict[int, int] = {}

    @property
    def idle(self) -> bool:
        """Whether nothing is lent."""
        return self.ends.get(0) == len(self.memory)


class KeptMemory:
    """Slabs of memory, each part lent to one tensor at a time; to one thread, but what was lent may
    come back from any.

    The smallest gap is lent that is large enough. Where there is none, slabs of which nothing is
    lent are given back to the system, and a new one takes their place, so that after some passes
    all lies in one. It hardly keeps more than was lent at once, or TOGETHER, if that is more.
    """

    def __init__(self) -> None:
        self.slabs: dict[int, Slab] = {}
        self.gaps: list[Gap] = []                         # the smallest first
        self.lent = self.most = 0                         # values now, and at once so far
        self.made = 0                                     # slabs so far
        self._lent: dict[int, weakref.ref] = {}           # by its id; a ref must live to call back
        self._back: deque[tuple[int, Span]] = deque()     # let go of, and not counted yet

    @contextmanager
    def serve(self) -> Iterator[None]:
        """Have `empty` take memory from here meanwhile."""
        before, _serving.memory = getattr(_serving, 'memory', None), self
        try:
            yield
        finally:
            _serving.memory = before

    def lend(self, count: int) -> torch.Tensor:
        """Return memory of so many float32 values, which comes back when nobody holds it."""
        while self._back:
            number, span = self._back.popleft()
            self._open(number, *span)
            self.lent -= span[1] - span[0]
        taken = -(-count // ALIGNED) * ALIGNED
        self.lent += taken
        self.most = max(self.most, self.lent)
        place = bisect_left(self.gaps, (taken, 0, 0))
        if place == len(self.gaps):
            self._make(taken)
            place = bisect_left(self.gaps, (taken, 0, 0))
        size, number, first = self.gaps[place]
        self._close(number, first, first + size)
        if taken < size:
            self._open(number, first + taken, first + size)
        view = self.slabs[number].memory[first:first + count]    # lives as long as the tensor does
        ref = weakref.ref(view, lambda ref: self._returned(ref, number, (first, first + taken)))
        self._lent[id(ref)] = ref
        return torch.from_numpy(view)

    def _make(self, count: int) -> None:
        """Make a slab with a gap of so many values, in place of all that are idle."""
        idle = [number for number, slab in self.slabs.items() if slab.idle]
        freed = sum(len(self.slabs[number].memory) for number in idle)
        for number in idle:
            self._close(number, 0, len(self.slabs[number].memory))
            del self.slabs[number]
        held = sum(len(slab.memory) for slab in self.slabs.values())
        kept = min(freed, int(MORE * self.most) - held) // ALIGNED * ALIGNED
        slab = self.slabs[self.made] = Slab(max(count, kept, TOGETHER))
        self._open(self.made, 0, len(slab.memory))
        self.made += 1

    def _open(self, number: int, first: int, last: int) -> None:
        """Make a gap of values of a slab, one with those that it touches."""
        slab = self.slabs[number]
        if first in slab.begins:
            before = slab.begins[first]
            self._close(number, before, first)
            first = before
        if last in slab.ends:
            behind = slab.ends[last]
            self._close(number, last, behind)
            last = behind
        slab.ends[first], slab.begins[last] = last, first
        insort(self.gaps, (last - first, number, first))

    def _close(self, number: int, first: int, last: int) -> None:
        """Take a whole gap of a slab away."""
        del self.slabs[number].ends[first], self.slabs[number].begins[last]
        del self.gaps[bisect_left(self.gaps, (last - first, number, first))]

    def _returned(self, ref: weakref.ref, number: int, span: Span) -> None:
        """Called by whichever thread lets go of a tensor: the collector may run in any."""
        del self._lent[id(ref)]
        self._back.append((number, span))


_serving = threading.local()


def empty(*shape: int, memory_format: torch.memory_format = torch.contiguous_format,
          dtype: torch.dtype = torch.float32, device: torch.device | str = 'cpu') -> torch.Tensor:
    """As torch.empty; large tensors of float32 on the CPU are lent by the KeptMemory that serves,
    if any.
    """
    memory: KeptMemory | None = getattr(_serving, 'memory', None)
    count = prod(shape)
    if (memory is None or count < LEAST or dtype != torch.float32
            or torch.device(device).type != 'cpu'):
        return torch.empty(shape, memory_format=memory_format, dtype=dtype, device=device)
    lent = memory.lend(count)
    if memory_format == torch.channels_last:
        n, c, h, w = shape
        return lent.view(n, h, w, c).permute(0, 3, 1, 2)
    return lent.view(shape)
