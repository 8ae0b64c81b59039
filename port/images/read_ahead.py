"""The order in which the published data layers visit a list, and the reading ahead along it.

Random order: Python's Mersenne Twister, each pick int(random() * n), as Python 2's
randint(0, n - 1) computed it. Otherwise in order, from the end back to the start. `shuffles` draws
without replacement, as SegNet's authors do.
"""

import itertools
import os
import random
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

Arrays = tuple[np.ndarray, ...]
Index = Any  # of one pass: whatever `order` yields and `load` takes; a place in a list, or several


def draw_seed() -> int:
    """Draw a seed where none is given, so that this run's order, too, can be continued."""
    return int.from_bytes(os.urandom(4), 'big')


def picks(count: int, seed: int | None, skip: int = 0) -> Iterator[int]:
    """Yield the index of every pass after `skip`, for ever; seed None means in order."""
    if seed is None:
        yield from range(skip % count, count)
        while True:
            yield from range(count)
    twister = random.Random(seed)
    while skip:                     # a pick takes 64 bits of the twister
        some = min(skip, 1 << 16)
        twister.getrandbits(64 * some)
        skip -= some
    while True:
        yield int(twister.random() * count)


def check_share(size: int, count: int, where: str) -> None:
    """Raise ValueError where fewer images are there than processes to read them."""
    if size > count:
        raise ValueError(f'{where}: {count} image(s) for {size} ranks; start at most {count} '
                         'processes')


def shuffles(count: int, seed: int, skip: int = 0) -> Iterator[int]:
    """Yield every index once, then again in another order, for ever; from the pick `skip` on."""
    first, rest = divmod(skip, count)
    for turn in itertools.count(first):
        order = list(range(count))
        random.Random(f'{seed} {turn}').shuffle(order)
        yield from order[rest:]
        rest = 0


class Pick(NamedTuple):
    """One image's turn: its number among all turns from the start, and its place in the list."""

    number: int
    place: int


def numbered(order: Iterator[int], first: int) -> Iterator[Pick]:
    """Yield the indices of an order with their numbers, that of the first being `first`."""
    return (Pick(number, index) for number, index in enumerate(order, first))


def grouped(order: Iterator[Pick], size: int) -> Iterator[list[Pick]]:
    """Yield the picks in groups: one batch after another."""
    while True:
        yield [next(order) for _ in range(size)]


@dataclass
class Slot:
    """One pass to come: its index, and what a worker is loading or has loaded for it."""

    index: Index
    future: Future | None = None
    arrays: Arrays | None = None


class ReadAhead:
    """Walk the picks, loading up to `ahead` of them in threads before their turn.

    Neither order nor numbers depend on `ahead`; with 0 everything is loaded at its turn, in
    the caller's thread. Threads start at the first `advance`, so building a net starts none.
    An error of a worker is raised when its image is due; asking again reads the image again.
    """

    workers = min(8, max(2, (os.cpu_count() or 2) // 2))  # 2 on a small machine

    def __init__(self, load: Callable[[Index], Arrays], order: Iterator[Index],
                 ahead: int) -> None:
        self.load, self.order, self.ahead = load, order, ahead
        self.slots = deque([Slot(next(order))])
        self.pool: ThreadPoolExecutor | None = None

    @property
    def index(self) -> Index:
        """The index of the pass that is due."""
        return self.slots[0].index

    def current(self) -> Arrays:
        """Give the arrays of the pass that is due."""
        slot = self.slots[0]
        if slot.arrays is None:
            future, slot.future = slot.future, None
            slot.arrays = future.result() if future else self.load(slot.index)
        return slot.arrays

    def advance(self) -> None:
        """Go on to the next pass, and order the loading of those after it."""
        self.slots.popleft()
        while len(self.slots) < max(1, self.ahead):
            self.slots.append(self._ordered(next(self.order)))

    def _ordered(self, index: Index) -> Slot:
        if not self.ahead:
            return Slot(index)
        if self.pool is None:
            self.pool = ThreadPoolExecutor(min(self.workers, self.ahead), 'read-ahead')
        return Slot(index, self.pool.submit(self.load, index))

    def close(self) -> None:
        """Drop what is waiting to be loaded and let the threads go."""
        if self.pool is not None:
            self.pool.shutdown(wait=False, cancel_futures=True)
            self.pool = None
