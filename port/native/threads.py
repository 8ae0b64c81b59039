"""Work shared among threads: kernels called through ctypes let go of Python's lock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import torch

PIECES = 4      # a thread, so that one that is held up keeps no other waiting for long


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, 'fcn-kernels')


def share(work: Callable[[int, int], None], count: int, grain: int) -> None:
    """Call work(first, last) for ranges that make up 0..count, on as many threads as torch has.

    Every range but the last is a multiple of `grain` long.
    """
    threads = torch.get_num_threads()
    grains = -(-count // grain)
    if threads == 1 or grains == 1:
        work(0, count)
        return
    pieces = min(grains, PIECES * threads)
    bounds = [min(count, -(-grains * k // pieces) * grain) for k in range(pieces + 1)]
    list(_pool(threads).map(work, bounds[:-1], bounds[1:]))
