"""Work shared among threads: kernels called through ctypes let go of Python's lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache
from itertools import pairwise

import torch

SHARES = 2      # a thread, that the rest of the work is thought to be cut into: a piece is one


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, 'fcn-kernels')


def share(work: Callable[[int, int], None], count: int, grain: int) -> None:
    """Call work(first, last) for ranges that make up 0..count, on as many threads as torch has.

    Every range but the last is a multiple of `grain` long. They get shorter towards the end, so
    that all threads end at about the same time.
    """
    threads, rest = torch.get_num_threads(), -(-count // grain)
    if threads == 1 or rest == 1:
        work(0, count)
        return
    bounds = [0]
    while rest:
        grains = -(-rest // (SHARES * threads))
        bounds.append(min(count, bounds[-1] + grains * grain))
        rest -= grains
    turns = iter(list(pairwise(bounds)))        # whoever is free takes the next

    def take() -> None:
        for first, last in turns:
            work(first, last)
    others = [_pool(threads - 1).submit(take) for _ in range(min(threads, len(bounds) - 1) - 1)]
    try:
        take()
    finally:
        wait(others)
    for other in others:
        other.result()
