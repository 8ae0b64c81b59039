"""Memory for the results of kernels, kept from one training pass to the next.

Every pass computes values of about the same sizes and lets go of them. Where it takes new memory
for each, the system fills all of it with zeros first: up to a third of a training step. Here the
memory of tensors that are no longer held serves the next ones.
"""

import threading
import weakref
from bisect import bisect
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
import torch

from port.native.large_pages import in_large_pages

LEAST = 1 << 16             # values, below which new memory costs nothing
ALIGNED = 16                # values, that pieces begin at a multiple of: a line of the cache
MORE = 1.25                 # of what was lent at once, may be kept: pieces never fit quite
Span = tuple[int, int]      # the first value and the one behind the last


class Slab:
    """Memory that came from the system at once, of which parts are lent.

    gaps: what is not lent, in order; two of them never touch.
    """

    def __init__(self, count: int) -> None:
        self.memory: np.ndarray = in_large_pages(torch.empty(count)).numpy()
        self.gaps: list[Span] = [(0, count)]

    @property
    def idle(self) -> bool:
        """Whether nothing is lent."""
        return self.gaps == [(0, len(self.memory))]

    def take(self, gap: Span, count: int) -> Span:
        """Take so many values from the beginning of a gap."""
        (first, last), place = gap, self.gaps.index(gap)
        self.gaps[place:place + 1] = [(first + count, last)] if first + count < last else []
        return first, first + count

    def put_back(self, span: Span) -> None:
        """Make a gap of what was lent, one with those that it touches."""
        place = bisect(self.gaps, span)
        before, behind = self.gaps[:place], self.gaps[place:]
        if before and before[-1][1] == span[0]:
            span = before.pop()[0], span[1]
        if behind and span[1] == behind[0][0]:
            span = span[0], behind.pop(0)[1]
        self.gaps = [*before, span, *behind]


class KeptMemory:
    """Slabs of memory, each part lent to one tensor at a time; to one thread, but what was lent may
    come back from any.

    The smallest gap is lent that is large enough. Where there is none, slabs of which nothing is
    lent are given back to the system, and a new one takes their place, so that after some passes
    all lies in one. It hardly keeps more than was lent at once.
    """

    def __init__(self) -> None:
        self.slabs: list[Slab] = []
        self.lent = self.most = 0                         # values now, and at once so far
        self._lent: dict[int, weakref.ref] = {}           # by its id; a ref must live to call back
        self._back: deque[tuple[Slab, Span]] = deque()    # let go of, and not counted yet

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
            slab, span = self._back.popleft()
            slab.put_back(span)
            self.lent -= span[1] - span[0]
        taken = -(-count // ALIGNED) * ALIGNED
        self.lent += taken
        self.most = max(self.most, self.lent)
        slab, gap = self._gap(taken)
        span = slab.take(gap, taken)
        view = slab.memory[span[0]:span[0] + count]       # lives as long as the tensor does
        ref = weakref.ref(view, lambda ref: self._returned(ref, slab, span))
        self._lent[id(ref)] = ref
        return torch.from_numpy(view)

    def _gap(self, count: int) -> tuple[Slab, Span]:
        """Return the smallest gap for so many values, of a new slab if need be."""
        gaps = [(gap[1] - gap[0], i, gap) for i, slab in enumerate(self.slabs)
                for gap in slab.gaps if gap[1] - gap[0] >= count]
        if gaps:
            _, i, gap = min(gaps)
            return self.slabs[i], gap
        idle = sum(len(slab.memory) for slab in self.slabs if slab.idle)
        self.slabs = [slab for slab in self.slabs if not slab.idle]
        held = sum(len(slab.memory) for slab in self.slabs)
        new = Slab(max(count, min(idle, int(MORE * self.most) - held) // ALIGNED * ALIGNED))
        self.slabs.append(new)
        return new, new.gaps[0]

    def _returned(self, ref: weakref.ref, slab: Slab, span: Span) -> None:
        """Called by whichever thread lets go of a tensor: the collector may run in any."""
        del self._lent[id(ref)]
        self._back.append((slab, span))


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
