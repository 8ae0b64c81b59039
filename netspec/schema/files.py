"""Files in and out: what a file is if not what was asked for; writing all or nothing."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path

from netspec.schema.lexer import closest

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


def write_atomic(path: str | Path, parts: Iterable[bytes | memoryview]) -> None:
    """Write a file's parts beside it, then put it in place; on any failure nothing is left."""
    target = Path(os.path.realpath(path))  # a link stays a link
    if not target.parent.is_dir():
        raise FileNotFoundError(f'{path}: the folder {target.parent} does not exist; make it first')
    beside = target.with_name(f'.{target.name}.{secrets.token_hex(4)}')
    try:
        with beside.open('xb') as file:
            for part in parts:
                file.write(part)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, target)
    except BaseException as error:
        beside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno:
            raise OSError(error.errno, f'{path}: not written, and nothing was left behind: '
                                       f'{os.strerror(error.errno)}') from error
        raise
