"""What work that several processes may share asks of them, answered for one process: rank 0 of 1.

This file is all that one process reads of the room; `ranks` has the same answers for several.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

Result = TypeVar('Result')
Facts = dict[str, str]
GIVEN = ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')     # by torchrun, to each process


def launched() -> bool:
    """Tell whether torchrun, or what sets the same variables, started several of us."""
    return all(os.environ.get(name) for name in GIVEN) and int(os.environ['WORLD_SIZE']) > 1


class Alone:
    """One process. rank: its number; size: how many there are; place: its number on its machine."""

    rank, size, place = 0, 1, 0

    @property
    def first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, count: int) -> range:
        """Return which of `count` things this rank takes: a row of them."""
        return range(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sums(self, values: Sequence[float]) -> list[float]:
        """Return the sum over the ranks of each number, in double precision."""
        return list(values)

    def mean(self, value: float) -> float:
        """Return the mean of a number over the ranks."""
        return self.sums([value])[0] / self.size

    def chosen(self, asked: str | None, known: Sequence[str]) -> str | None:
        """Return the first of the known requests that any rank was asked for."""
        counts = self.sums([float(asked == one) for one in known])
        return next((one for one, count in zip(known, counts, strict=True) if count), None)

    def gathered(self, value: Any) -> list[Any]:
        """Return what each rank gives, in their order. value: what JSON can write."""
        return [value]

    def meet(self) -> None:
        """Wait until all ranks are here, however long they work on their own."""

    def by_first(self, work: Callable[[], Result]) -> Result:
        """Have rank 0 do something; return its result, which JSON can write, on every rank."""
        return work()

    def add(self, tensor: Any) -> Any:
        """Sum a tensor over the ranks, in place; return it."""
        return tensor

    def spread(self, tensor: Any) -> Any:
        """Give a tensor of every rank the values of rank 0's; return it."""
        return tensor

    @contextmanager
    def agreed(self) -> Iterator[Facts]:
        """Have all ranks fail where one fails in the block, with its words, or where the facts
        that they put down in it differ.
        """
        yield {}

    def note(self, key: str, text: str) -> None:
        """Keep a text for processes that torchrun starts in place of these."""

    def noted(self, key: str) -> str:
        """Return a text that earlier processes noted, '' where there is none."""
        return ''


ALONE = Alone()
