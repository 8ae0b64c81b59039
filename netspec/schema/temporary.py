"""Files and folders being made, beside the ones that they will replace.

The process that makes one holds a lock on it, which ends with the process. So the leftovers of a
killed process can be told from what a running one still writes: the next process that makes the
same file takes a leftover over, and `sweep` removes it.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

NAME = re.compile(r'\.(?P<stem>.+?)(\.[0-9a-f]{8})?\.part(\.[^.]+)?', re.DOTALL)


class Making:
    """A place beside `target` to prepare it in: an empty file, or an empty folder.

    At the end of the context it is removed, unless it was moved to its place. suffix: of its name,
    where not the target's.
    """

    def __init__(self, target: Path, folder: bool = False, suffix: str | None = None) -> None:
        suffix = target.suffix if suffix is None else suffix
        self.place, self.handle = _first_claimed(target, suffix, folder)
        self.folder = folder
        if folder:
            for inside in self.place.iterdir():
                _remove(inside)
        else:
            os.ftruncate(self.handle, 0)

    def __enter__(self) -> Path:
        return self.place

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        if kind is not None or there(self.handle, self.place):    # it may be another's by now
            _remove(self.place)
        os.close(self.handle)


def _names(stem: str, suffix: str) -> Iterator[str]:
    """Yield the name to try first, which the next maker will try too, and others."""
    yield f'.{stem}.part{suffix}'
    while True:
        yield f'.{stem}.{os.urandom(4).hex()}.part{suffix}'


def _first_claimed(target: Path, suffix: str, folder: bool) -> tuple[Path, int]:
    """Return the first place that could be claimed, open."""
    names = _names(target.stem, suffix)
    while True:
        place = target.with_name(next(names))
        handle = _claimed(place, folder)
        if handle is not None:
            return place, handle


def _claimed(place: Path, folder: bool) -> int | None:
    """Make a file or folder, or take over a leftover; None where a running process or another user
    has it.
    """
    flags = os.O_RDONLY | os.O_DIRECTORY if folder else os.O_RDWR | os.O_CREAT
    try:
        if folder and not place.exists():
            place.mkdir()
        handle = os.open(place, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError:
        if os.path.lexists(place):
            return None
        raise
    if _locked(handle, place) and os.fstat(handle).st_uid == os.geteuid():
        return handle
    os.close(handle)
    return None


def _locked(handle: int, place: Path) -> bool:
    """Lock what is open; False where a live process holds it, or it is no longer at its place."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return there(handle, place)


def there(handle: int, place: Path) -> bool:
    """Whether what is open is what stands at its place."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(place, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _remove(place: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place, ignore_errors=True)
    else:
        place.unlink(missing_ok=True)


def sweep(folder: str | Path, stem: str = '') -> list[Path]:
    """Remove what killed processes left in a folder, of files whose names begin with `stem`."""
    removed = []
    for place in sorted(Path(folder).glob('.*')):
        match = NAME.fullmatch(place.name)
        if not match or not match['stem'].startswith(stem) or place.is_symlink():
            continue
        handle = os.open(place, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if _locked(handle, place):
                _remove(place)
                removed.append(place)
        finally:
            os.close(handle)
    return removed
