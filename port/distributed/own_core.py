"""Each rank's computing thread on a core of its own while it computes, so that the threads which
carry its sums, and the other ranks, do not push it from core to core.

Only where ranks of one thread take all cores that they may use: were there cores to spare, another
job could be held to the same ones. What nobody placed is placed, for the time of a pass.
"""

import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import Any

import torch

from port.distributed.alone import Alone


def cores_here() -> list[int]:
    """Return the cores that this thread may use; none where the system does not tell."""
    here = getattr(os, 'sched_getaffinity', None)        # not on macOS and Windows
    return sorted(here(0)) if here else []


def dealt(rows: Sequence[Sequence[Any]], rank: int) -> int | None:
    """Return the core of a rank, None where all go where the system puts them.

    rows: of each rank its machine, whether it computes on the CPU by one thread, its cores. Those
    of one machine must be as many as the cores, and may all use the same: others were placed by
    whoever started them.
    """
    machine, _, cores = rows[rank]
    mine = [i for i, row in enumerate(rows) if row[0] == machine]
    fit = all(rows[i][1] and rows[i][2] == cores for i in mine)
    return cores[mine.index(rank)] if fit and 1 < len(mine) == len(cores) else None


class OwnCore:
    """`with own_core:` holds the calling thread to the rank's core within the block.

    Threads and processes that are started meanwhile would be held too: `freed` lets a function go
    that may start some. All ranks make theirs at once.
    """

    def __init__(self, ranks: Alone, cpu: bool = True) -> None:
        row = socket.gethostname(), cpu and torch.get_num_threads() == 1, cores_here()
        self.core = dealt(ranks.gathered(row), ranks.rank)
        self.before: set[int] = set()              # where the thread was before, while it is held

    def __enter__(self) -> None:
        if self.core is not None:
            before = os.sched_getaffinity(0)
            with suppress(OSError):                # cores taken away meanwhile
                os.sched_setaffinity(0, {self.core} & before)
                self.before = before

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        before, self.before = self.before, set()
        if before and os.sched_getaffinity(0) == {self.core}:      # nobody else moved it
            with suppress(OSError):
                os.sched_setaffinity(0, before)

    def freed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that runs where the thread was before it was held."""
        @wraps(function)
        def free(*args: Any) -> Any:
            if not self.before:
                return function(*args)
            self.__exit__(None, None, None)
            try:
                return function(*args)
            finally:
                self.__enter__()
        return free
