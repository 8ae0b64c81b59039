"""Memory for the results of kernels, kept from one training pass to the next.

Every pass computes values of about the same sizes and lets go of them. Where it takes new memory
for each, the system fills all of it with zeros first: up to a third of a training step. Here the
memory of a tensor that is no longer held serves the next tensor that it is large enough for.
"""

import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod

import numpy as np
import torch

from port.native.large_pages import in_large_pages

LEAST = 1 << 18             # values, below which new memory costs nothing
MOST_WASTE = 1.5            # how much larger memory may be than what it is taken for
MORE = 1.25                 # of what was lent at once, may be kept: pieces never fit quite


class KeptMemory:
    """Pieces of memory, each lent to one tensor at a time; to one thread, but what was lent may
    come back from any.

    It hardly keeps more than was lent at once: before there is more, what nobody holds is given
    back to the system, what was used longest ago first.
    """

    def __init__(self) -> None:
        self.free: list[np.ndarray] = []                  # the one that came back last is last
        self.lent = self.most = 0                         # values now, and at once so far
        self._lent: dict[int, weakref.ref] = {}           # by its id; a ref must live to call back
        self._back: deque[np.ndarray] = deque()           # let go of, and not counted yet

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
            self._take_back(self._back.popleft())
        fits = [piece for piece in self.free if count <= piece.size <= MOST_WASTE * count]
        if fits:
            piece = min(fits, key=len)
            self.free = [other for other in self.free if other is not piece]
            self.lent += piece.size
        else:
            self.lent += count
            self.most = max(self.most, self.lent)
            while self.free and self.lent + sum(map(len, self.free)) > MORE * self.most:
                self.free.pop(0)
            piece = in_large_pages(torch.empty(count)).numpy()
        self.most = max(self.most, self.lent)
        view = piece[:count]                              # lives as long as the tensor does
        ref = weakref.ref(view, lambda ref: self._returned(ref, piece))
        self._lent[id(ref)] = ref
        return torch.from_numpy(view)

    def _returned(self, ref: weakref.ref, piece: np.ndarray) -> None:
        """Called by whichever thread lets go of a tensor: the collector may run in any."""
        del self._lent[id(ref)]
        self._back.append(piece)

    def _take_back(self, piece: np.ndarray) -> None:
        self.lent -= piece.size
        self.free.append(piece)


_serving = threading.local()


def empty(*shape: int, memory_format: torch.memory_format = torch.contiguous_format
          ) -> torch.Tensor:
    """As torch.empty for float32; large tensors are lent by the KeptMemory that serves, if any."""
    memory: KeptMemory | None = getattr(_serving, 'memory', None)
    count = prod(shape)
    if memory is None or count < LEAST:
        return torch.empty(shape, memory_format=memory_format)
    lent = memory.lend(count)
    if memory_format == torch.channels_last:
        n, c, h, w = shape
        return lent.view(n, h, w, c).permute(0, 3, 1, 2)
    return lent.view(shape)
