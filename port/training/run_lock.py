"""One process at a time works on a run, so that its files never mix two trainings.

The operating system holds the lock and frees it when the process ends, however it ends. Whoever
holds it also removes files that a killed process left half written.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from netspec.schema.temporary import sweep, there

FOLDER_LOCK = '.run.lock'


@contextmanager
def training_alone(prefix: str | Path) -> Iterator[None]:
    """Hold the snapshots of a prefix; ValueError where another process trains into them."""
    place = Path(prefix)
    with _held(place.parent / f'.{place.name}.lock', f'snapshots {prefix}_iter_*'):
        sweep(place.parent, f'{place.name}_iter_')
        yield


@contextmanager
def running_alone(folder: Path) -> Iterator[None]:
    """Hold a folder and all below it; ValueError where another process is at work there."""
    with _held(folder / FOLDER_LOCK, f'run in {folder}'):
        for place, _, _ in os.walk(folder):
            sweep(place)
        yield


@contextmanager
def _held(lock: Path, what: str) -> Iterator[None]:
    handle = _open(lock, what)
    try:
        yield
    finally:
        if handle is not None:
            lock.unlink(missing_ok=True)         # before it is let go: nobody else has it yet
            os.close(handle)


def _open(lock: Path, what: str) -> int | None:
    """Lock a file that is there, or made; None where none can be written."""
    while True:
        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        except OSError:
            return None                          # whoever writes there will say so
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, 20, 0).decode('ascii', 'replace')
            os.close(handle)
            raise ValueError(f'the {what} is being written by another process '
                             f'({holder or "of unknown number"}); wait until it ends, or give '
                             'this one another place') from None
        except OSError:                          # a file system without locks
            os.close(handle)
            return None
        if there(handle, lock):
            with suppress(OSError):              # a full disk
                os.ftruncate(handle, 0)
                os.pwrite(handle, str(os.getpid()).encode(), 0)
            return handle
        os.close(handle)                         # gone with its last holder
