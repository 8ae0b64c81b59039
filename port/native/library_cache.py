"""Where compiled libraries are kept, and which of them may be loaded.

To load a library is to run it. So the folder must be this user's and nobody else may write to it,
and a file's name carries the digest of what is in it: one that a full disk or a crash cut short
does not fit its name and is compiled again.
"""

import hashlib
import logging
import os
import tempfile
import time
from atexit import register
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from shutil import rmtree

log = logging.getLogger('port.native')
NAME = 'fcn-caffe'
OTHERS_MAY_WRITE = 0o022
BUILDING = 'building-'   # names of the folders in which the compiler is at work begin so
ABANDONED = 3600.0      # seconds, far beyond what a compilation takes
LENGTH = 16             # hexadecimal digits of a key and of a digest


def digest(data: bytes) -> str:
    """Return the digits that stand for some bytes in a file's name."""
    return hashlib.sha256(data).hexdigest()[:LENGTH]


def private(path: Path) -> bool:
    """Whether a file or folder is this user's own, and no other may write to it."""
    if not hasattr(os, 'getuid'):
        return True                       # Windows keeps a user's folders to the user by itself
    status = path.stat()
    return status.st_uid == os.getuid() and not status.st_mode & OTHERS_MAY_WRITE


def find_library(folder: Path, stem: str, key: str) -> Path | None:
    """Return the library kept under a key if it is whole and this user's; else None."""
    for path in sorted(folder.glob(f'{stem}-{key}-*.so')):
        try:
            if private(path) and path.name == file_name(stem, key, path.read_bytes()):
                return path
        except OSError:                   # another process has just removed or renewed it
            continue
    return None


def file_name(stem: str, key: str, contents: bytes) -> str:
    """Return the name of a library's file."""
    return f'{stem}-{key}-{digest(contents)}.so'


def keep_library(folder: Path, stem: str, key: str, built: Path) -> Path:
    """Move a library that was built within the folder to its name; drop damaged ones, and what
    builds that were killed have left behind.
    """
    for path in folder.glob(f'{stem}-{key}-*.so'):
        if path.name != file_name(stem, key, path.read_bytes()):
            path.unlink(missing_ok=True)
    for path in folder.glob(f'{BUILDING}*'):
        if time.time() - path.stat().st_mtime > ABANDONED:
            rmtree(path, ignore_errors=True)
    target = folder / file_name(stem, key, built.read_bytes())
    built.chmod(0o700)
    os.replace(built, target)
    return target


def folders() -> Iterator[Path]:
    """Return where libraries may be kept, the best first: the user's cache, or, for a user without
    a home, a folder of their own among the system's temporary files; last, one for this process.
    """
    path = _users_folder()
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(path)
    except OSError as error:
        _complain(f'{path}: {error.strerror or error}')
    else:
        yield path
    yield _passing_folder()


def _make_private(path: Path) -> None:
    """Set a folder of the user's to mode 0700; PermissionError for one of another user."""
    if not hasattr(os, 'getuid'):
        return
    for status in (path.lstat(), path.stat()):        # of a link to a folder, both
        if status.st_uid != os.getuid():
            raise PermissionError(f'belongs to user {status.st_uid}, not to {os.getuid()}')
    if path.stat().st_mode & 0o777 != 0o700:
        path.chmod(0o700)


def _users_folder() -> Path:
    base = os.environ.get('XDG_CACHE_HOME', '')
    if os.path.isabs(base):               # the XDG specification has relative ones ignored
        return Path(base) / NAME
    try:
        return Path.home() / '.cache' / NAME
    except RuntimeError:                  # neither $HOME nor an entry among the system's users
        user = os.getuid() if hasattr(os, 'getuid') else 'user'
        return Path(tempfile.gettempdir()) / f'{NAME}-{user}'


@cache
def _passing_folder() -> Path:
    path = Path(tempfile.mkdtemp(prefix=f'{NAME}-'))
    register(rmtree, path, ignore_errors=True)
    return path


@cache
def _complain(text: str) -> None:
    """Say, once, what keeps compiled kernels from being kept."""
    log.warning('%s; the compiled kernels are not kept, each process compiles them anew (set '
                'XDG_CACHE_HOME to a folder of your own, or FCN_NATIVE=0 to do without)', text)
