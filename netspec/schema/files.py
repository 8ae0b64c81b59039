"""Files in and out: says what a wrong file is, and writes files whole or not at all."""

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from netspec.schema.lexer import closest
from netspec.schema.temporary import Making

_MAGIC = {b'\x89HDF\r\n\x1a\n': 'an HDF5 file',
          b'PK\x03\x04': 'a zip archive (a torch checkpoint or .npz)',
          b'version https://git-lfs': 'a Git LFS pointer: the file itself was not fetched',
          b'\x1f\x8b': 'a gzip archive', b'BZh': 'a bzip2 archive', b'7z\xbc\xaf': 'a 7z archive',
          b'\xff\xfe': 'text in UTF-16: save it as UTF-8',
          b'\xfe\xff': 'text in UTF-16: save it as UTF-8',
          b'\x93NUMPY': 'a NumPy array', b'\x89PNG\r\n': 'a PNG picture',
          b'\xff\xd8\xff': 'a JPEG picture', b'%PDF': 'a PDF document',
          b'\x80\x02': 'a Python pickle', b'\x80\x03': 'a Python pickle',
          b'\x80\x04': 'a Python pickle', b'\x80\x05': 'a Python pickle'}


def foreign(head: bytes) -> str:
    """Say what a file of another kind is from its first bytes; '' for text and for the unknown."""
    for magic, kind in _MAGIC.items():
        if head.startswith(magic):
            return kind
    start = head[:256].lstrip().lower()
    if start.startswith((b'<!doctype', b'<html', b'<?xml')):
        return 'a web page: the download went wrong'
    if head[8:10] == b'{"' and int.from_bytes(head[:8], 'little') < 1 << 32:
        return 'a safetensors file'
    return ''


def is_text(head: bytes) -> bool:
    """Tell text from binary data: text has no control characters but tab, line and page ends."""
    return not head.translate(None, bytes(range(32, 256)) + b'\t\n\r\v\f')


def existing(path: str | Path, kind: str = 'file') -> Path:
    """Return the path of a file that is there; else FileNotFoundError with the closest name."""
    path = Path(path)
    if path.is_file():
        return path
    if path.is_dir():
        raise IsADirectoryError(f'{path}: is a folder; expected a {kind}')
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path}: no such {kind}; the folder {path.parent} does not exist')
    guess = closest(path.name, [other.name for other in path.parent.iterdir()])
    meant = f'; did you mean {str(path.parent / guess)!r}?' if guess else ''
    raise FileNotFoundError(f'{path}: no such {kind}{meant}')


def read_json(path: str | Path, kind: str) -> dict[str, Any]:
    """Read an object of JSON that was written here; ValueError where it is damaged."""
    try:
        found = json.loads(existing(path, kind).read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as error:
        raise ValueError(f'{path}: this {kind} is damaged: {error}') from None
    if not isinstance(found, dict):
        raise ValueError(f'{path}: this {kind} is damaged: it holds no object')
    return found


def spare(places: Iterable[str | os.PathLike[str]], read: Iterable[str | os.PathLike[str]],
          remedy: str) -> None:
    """Raise ValueError where a place to write is a file that is read, by whatever link."""
    known = {os.path.realpath(path) for path in read}
    for place in places:
        if os.path.realpath(place) in known:
            raise ValueError(f'{place}: is read here, and would be written over; {remedy}')


def check_ending(path: str | os.PathLike[str], known: Iterable[str], why: str = '') -> None:
    """Raise ValueError for a file to write whose ending, in small letters, is none of the known."""
    if not str(path).lower().endswith(tuple(known)) and not special(path):
        raise ValueError(f'{path}: {why or "its ending says no format"}; expected a name that ends '
                         f'in {", ".join(known)}')


def special(path: str | os.PathLike[str]) -> bool:
    """Whether a device or a pipe stands at a path: it is written into, never replaced."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give the path of a file to write, which replaces `path` when the block ends without an error.

    Otherwise it is removed. Where `path` is a link, the file that it leads to is replaced; into a
    device or a pipe the finished file is copied. Raises FileNotFoundError where the folder is
    missing, OSError that names the path.
    """
    path = Path(path)
    target = path if special(path) else Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f'{path}: the folder {target.parent} does not exist; make it first')
    with _explained(path):
        if target is path:
            with TemporaryDirectory() as folder:
                made = Path(folder, path.name)
                yield made
                with made.open('rb') as file, path.open('wb') as out:
                    shutil.copyfileobj(file, out)
            return
        with Making(target, suffix=path.suffix) as beside:
            yield beside
            os.replace(beside, target)


@contextmanager
def workroom(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give an empty folder beside `path` to prepare it in; the folder is removed at the end.

    Raises OSError that names the path.
    """
    path = Path(path)
    with _explained(path):
        if special(path):
            with TemporaryDirectory() as folder:
                yield Path(folder)
        else:
            with Making(Path(os.path.realpath(path)), folder=True) as beside:
                yield beside


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Name the file in the system's refusal to write it."""
    try:
        yield
    except OSError as error:
        if f'{path}: not written' in str(error):       # explained further in
            raise
        left = '' if special(path) else ', and nothing was left behind'
        reason = os.strerror(error.errno) if error.errno else str(error)
        number = (error.errno,) if error.errno else ()
        raise OSError(*number, f'{path}: not written{left}: {reason}') from error


def write_atomic(path: str | os.PathLike[str], parts: Iterable[bytes | memoryview]) -> None:
    """Write a file's parts as `replacing` does; into a device or a pipe as they come."""
    if special(path):
        with _explained(Path(path)), open(path, 'wb') as file:
            file.writelines(parts)
        return
    with replacing(path) as beside, beside.open('wb') as file:
        file.writelines(parts)
        file.flush()
        os.fsync(file.fileno())
