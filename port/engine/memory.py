"""The limits of memory: how large Caffe lets a blob be, and how much this machine has."""

import os
import resource
from functools import cache
from math import prod
from pathlib import Path

LARGEST = 2 ** 31 - 1          # values of a blob: Caffe counts them in an int
LIMITS = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')
WORTH = 1 << 26                # bytes; what is below is not worth a look at the machine


@cache
def machine_memory() -> int:
    """Return the bytes that a process of this machine, container or shell can have at most."""
    limits = [os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')]
    limits += [int(text) for path in map(Path, LIMITS)
               if path.is_file() and (text := path.read_text().strip()).isdigit()]
    own = resource.getrlimit(resource.RLIMIT_AS)[0]
    return min(limits if own == resource.RLIM_INFINITY else [*limits, own])


def resident() -> int:
    """Return the bytes of memory that this process takes now."""
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE')


def check_memory(needed: int, what: str, device: str = 'cpu') -> None:
    """Raise ValueError where something needs more bytes than the machine has.

    A GPU is not asked here: it raises an error of its own.
    """
    if device == 'cpu' and needed > WORTH and needed > machine_memory():
        raise ValueError(f'{what} would take {needed / 2 ** 30:,.1f} GiB of memory; this machine '
                         f'has {machine_memory() / 2 ** 30:,.1f}: make the net, its batch or its '
                         'images smaller')


def check_shape(name: str, shape: tuple[int, ...]) -> None:
    """Raise ValueError for a blob of more values than Caffe, and this machine, can hold."""
    count = prod(shape)
    if count > LARGEST:
        raise ValueError(f'blob {name!r}: the shape {list(shape)} has {count:,} values; a blob '
                         f'holds at most {LARGEST:,}, as in Caffe')
