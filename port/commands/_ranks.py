"""Commands that torchrun starts several times, as ranks of one piece of work.

One process imports nothing of torch.distributed, and of our room for it only what says that it is
alone.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial, wraps
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias

import click

from port.commands._shared import Decorator, tf32_option
from port.commands._shared import device as on_gpu
from port.commands._values import Context, Named, Param

if TYPE_CHECKING:
    from port.distributed.alone import Alone

Asked: TypeAlias = tuple[int, ...] | str | None        # GPUs: their numbers, or 'all'


@contextmanager
def ranks_here(gpu: bool = False) -> Iterator[Alone]:
    """Be one of the ranks that torchrun started within the block, or else alone."""
    from port.distributed.alone import Alone, launched
    if not launched():
        yield Alone()
        return
    from port.distributed.ranks import joined
    with joined(gpu) as ranks:
        yield ranks


class Gpus(Named):
    """One GPU, several with commas, or all."""

    name = 'ID[,ID…]|all'

    def convert(self, value: Any, param: Param, ctx: Context) -> Any:
        if isinstance(value, tuple) or value == 'all':
            return value
        try:
            numbers = tuple(int(part) for part in value.split(','))
        except ValueError:
            numbers = (-1,)
        if min(numbers) < 0 or len(set(numbers)) < len(numbers):
            self.fail(f'{value!r}: expected the number of a GPU, several with commas, or all',
                      param, ctx)
        return numbers


def ranked(tf32: bool = False, late: bool = False) -> Decorator:
    """Make a command one that torchrun may start several times: add --gpu, for several GPUs as
    well, and --tf32 where it has a use for it. The command gets `ranks` and its own `device`;
    late: a function that returns it, for a command that may have no use for one.
    """
    def taking(function: Callable) -> Callable:
        @click.option('--gpu', 'gpus', type=Gpus(), help='Compute on this GPU; on several, with a '
                      'process for each (docs/scale.md).')
        @wraps(function)
        def wrapped(*args: Any, gpus: Asked, **options: Any) -> None:
            rounded = options.get('tf32', False)
            with ranks_here(gpus is not None) as ranks:
                if late:
                    own: Any = partial(own_device, gpus, ranks, rounded)
                else:
                    with ranks.agreed():
                        own = own_device(gpus, ranks, rounded)
                function(*args, ranks=ranks, device=own, **options)
        return tf32_option(wrapped) if tf32 else wrapped
    return taking


def all_of(gpus: Asked) -> tuple[int, ...]:
    """Return the numbers of the GPUs asked for; RuntimeError where one is not there."""
    if gpus is None:
        return ()
    from port.engine.devices import gpu_count, gpus_here
    found = tuple(range(gpu_count())) if gpus == 'all' else tuple(map(int, gpus))
    missing = [number for number in found if number >= gpu_count()]
    if missing or not found:
        raise RuntimeError(f'--gpu {gpus if gpus == "all" else ",".join(map(str, gpus))}: '
                           f'{gpus_here()}; leave --gpu out to compute on the CPU')
    return found


def become_torchrun(processes: int) -> NoReturn:
    """Replace this process by torchrun, which starts the same command so many times."""
    os.execv(sys.executable, [
        sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node',
        str(processes), '-m', 'port', *sys.argv[1:]])


def own_device(gpus: Asked, ranks: Alone, tf32: bool) -> str:
    """Return the device of this rank: of several GPUs the one in its place on this machine.

    Alone with several, become torchrun with a process for each.
    """
    numbers = all_of(gpus)
    if ranks.size == 1 and len(numbers) > 1:
        become_torchrun(len(numbers))
    here = int(os.environ.get('LOCAL_WORLD_SIZE', 1)) if ranks.size > 1 else 1
    if numbers and len(numbers) < here:
        raise ValueError(f'{here} processes on this machine, and --gpu names {len(numbers)} '
                         'GPU(s): give each process one of its own')
    return on_gpu(numbers[ranks.place] if numbers else None, tf32)
