"""Reads numbers from MATLAB's .mat files of versions 5 to 7, as far as the datasets use them, and
writes such files without a date.

Written after MathWorks' "MAT-File Format", level 5. Elements that are not asked for are skipped,
and memory is only taken for bytes that the file really has, whatever its headers claim.
"""

import io
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

HEADER, PIECE = 128, 1 << 16
TEXT, TEXT_LENGTH = b'MATLAB 5.0 MAT-file, written by fcn-caffe', 116    # a header begins so
MATRIX, COMPRESSED = 14, 15                         # types of data elements
STORED = {1: 'i1', 2: 'u1', 3: 'i2', 4: 'u2', 5: 'i4', 6: 'u4', 7: 'f4', 9: 'f8', 12: 'i8',
          13: 'u8'}
STRUCT, NUMERIC = 2, range(6, 16)                   # classes of arrays
COMPLEX = 0x800                                     # among an array's flags
MOST_VALUES = 1 << 28                               # far beyond any picture of labels
MOST_AXES, MOST_NAMES = 32, 1 << 16


class Damaged(ValueError):
    """A place where a file is no .mat file."""


class MatBytes:
    """Bytes to read or to step over: a part of a file, or what is packed in it."""

    def __init__(self, file: BinaryIO, size: int, packed: bool = False) -> None:
        self.file, self.left = file, size           # bytes of the file still to be read
        self.unpack = zlib.decompressobj() if packed else None
        self.ready = b''

    def _piece(self, most: int) -> bytes:
        """Return some of the next bytes, none at the end."""
        if self.unpack is None:
            piece = self.file.read(min(most, self.left))
            self.left -= len(piece)
            return piece
        while not self.unpack.eof:
            given = self.unpack.unconsumed_tail or self.file.read(min(PIECE, self.left))
            if not self.unpack.unconsumed_tail:
                self.left -= len(given)
            piece = self.unpack.decompress(given, most)
            if piece or not given:
                return piece
        return b''

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the next `size` bytes in pieces; Damaged where there are fewer."""
        while size:
            piece = self._piece(min(size, PIECE))
            if not piece:
                raise Damaged(f'it ends {size} bytes too early')
            size -= len(piece)
            yield piece

    def read(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        return b''.join(self.pieces(size))

    def skip(self, size: int) -> None:
        """Step over `size` bytes."""
        for _ in self.pieces(size):
            pass


@dataclass(frozen=True)
class Element:
    """The tag of a data element: its type, its size, and the data where they stand in the tag."""

    kind: int
    size: int
    data: bytes | None = None


@dataclass(frozen=True)
class Array:
    """What stands before an array's values."""

    kind: int
    flags: int
    shape: tuple[int, ...]
    name: str


class MatFile:
    """A walk over the elements of one file in its byte order."""

    def __init__(self, file: BinaryIO) -> None:
        head = file.read(HEADER)
        self.order = {b'IM': '<', b'MI': '>'}.get(head[126:128], '')
        if not self.order:
            raise Damaged('it lacks the header of version 5 to 7; save it again with -v7')
        version = head[124:126] if self.order == '>' else head[125:123:-1]
        if version == b'\2\0':
            raise Damaged('it is of version 7.3; save it again with -v7')
        if version != b'\1\0':
            raise Damaged('it is of no version from 5 to 7; save it again with -v7')
        self.file = file

    def variables(self) -> Iterator[tuple[MatBytes, Array]]:
        """Yield each variable; its values are there to be read until the next is asked for."""
        while tag := self.file.read(8):
            if len(tag) < 8:
                raise Damaged('it ends within a tag')
            kind, size = struct.unpack(f'{self.order}2I', tag)
            after = self.file.tell() + size
            stream = MatBytes(self.file, size, kind == COMPRESSED)
            if kind == COMPRESSED:
                element = self.tag(stream)
                kind, size = element.kind, element.size
            if kind == MATRIX:
                yield stream, self.array(stream)
            self.file.seek(after)

    def tag(self, stream: MatBytes) -> Element:
        """Read the tag of an element: small ones hold their data."""
        raw = stream.read(8)
        first, size = struct.unpack(f'{self.order}2I', raw)
        if first >> 16:
            if first >> 16 > 4:
                raise Damaged(f'a small element of {first >> 16} bytes')
            return Element(first & 0xffff, first >> 16, raw[4:4 + (first >> 16)])
        return Element(first, size)

    def small(self, stream: MatBytes, most: int, what: str) -> bytes:
        """Read an element of at most so many bytes."""
        element = self.tag(stream)
        if element.size > most:
            raise Damaged(f'{what} of {element.size} bytes')
        if element.data is not None:
            return element.data
        return stream.read(-(-element.size // 8) * 8)[:element.size]

    def array(self, stream: MatBytes) -> Array:
        """Read what stands before the values of an array."""
        flags = self.small(stream, 8, 'flags')
        dims = self.small(stream, 4 * MOST_AXES, 'dimensions')
        name = self.small(stream, 4096, 'a name')
        if len(flags) != 8 or len(dims) % 4:
            raise Damaged('an array without flags or dimensions')
        word = struct.unpack(f'{self.order}I', flags[:4])[0]
        shape = struct.unpack(f'{self.order}{len(dims) // 4}i', dims)
        if min(shape, default=0) < 0 or prod(shape) > MOST_VALUES:
            raise Damaged(f'an array of shape {list(shape)}; expected at most {MOST_VALUES} values')
        return Array(word & 0xff, word, shape, name.decode('latin-1'))

    def field(self, stream: MatBytes, array: Array, wanted: str) -> Array:
        """Step to a field of a struct's first element, and return the array that stands there."""
        known = self.fields(stream) if array.kind == STRUCT else []
        for name in known if prod(array.shape) else ():
            element = self.tag(stream)
            if element.kind != MATRIX or element.data is not None:
                raise Damaged(f'its field {name!r} is no array')
            if name == wanted and element.size:
                return self.array(stream)
            stream.skip(element.size)
        raise ValueError(f'{self.file.name}: {array.name} has no field {wanted}; it has '
                         f'{known or "none"}')

    def fields(self, stream: MatBytes) -> list[str]:
        """Read the names of a struct's fields."""
        length = self.small(stream, 4, 'the length of field names')
        names = self.small(stream, MOST_NAMES, 'field names')
        width = struct.unpack(f'{self.order}i', length)[0]
        if width < 1:
            raise Damaged(f'field names of {width} bytes')
        return [names[i:i + width].partition(b'\0')[0].decode('latin-1')
                for i in range(0, len(names), width)]

    def values(self, stream: MatBytes, array: Array) -> np.ndarray:
        """Read the values of an array of real numbers, in the type that they are stored in."""
        if array.kind not in NUMERIC or array.flags & COMPLEX:
            raise Damaged(f'an array of class {array.kind}; expected plain numbers')
        element, count = self.tag(stream), prod(array.shape)
        kind = STORED.get(element.kind, '')
        if not kind or element.size != count * int(kind[1]):
            raise Damaged(f'{element.size} bytes of type {element.kind} for an array of shape '
                          f'{list(array.shape)}')
        raw = stream.read(element.size) if element.data is None else element.data
        return np.frombuffer(raw, self.order + kind).astype(kind).reshape(array.shape, order='F')


def read_array(path: str | Path, variable: str, field: str = '') -> np.ndarray:
    """Read a variable of numbers, or a field of a struct's first element, axes as MATLAB has them.

    Raises ValueError naming the file where it cannot be read or has no such variable or field.
    """
    names = []
    try:
        with open(path, 'rb') as file:
            mat = MatFile(file)
            for stream, array in mat.variables():
                names.append(array.name)
                if array.name == variable:
                    return mat.values(stream, mat.field(stream, array, field) if field else array)
    except (Damaged, zlib.error, struct.error) as error:
        raise ValueError(f'{path}: cannot be read as a MATLAB file: {error}') from None
    raise ValueError(f"{path}: holds no variable '{variable}'; it holds {names}")


def mat_bytes(variables: Mapping[str, Any], packed: bool = False) -> bytes:
    """Return variables as a file of version 5, as scipy writes it but without the date in it."""
    import scipy.io
    memory = io.BytesIO()
    file: Any = memory                     # scipy's stubs know paths only
    scipy.io.savemat(file, dict(variables), do_compression=packed)
    return TEXT.ljust(TEXT_LENGTH) + memory.getvalue()[TEXT_LENGTH:]
