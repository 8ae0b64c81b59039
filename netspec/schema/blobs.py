"""BlobProto to arrays and back (Caffe's Blob::FromProto, ToProto), at the speed of a memory copy.

Protobuf's own repeated fields cost a Python object per number; here the packed bytes are taken
from, and put into, the serialised message.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from netspec.schema.messages import BlobProto
from netspec.schema.wire import fields, tagged, varint

_DATA, _DIFF, _SHAPE, _DOUBLE_DATA, _DOUBLE_DIFF = 5, 6, 7, 8, 9
_LEGACY = ('num', 'channels', 'height', 'width')


def blob_shape(blob: BlobProto) -> tuple[int, ...]:
    """Return a blob's shape; blobs of before 2014 have num, channels, height, width instead."""
    if any(blob.HasField(name) for name in _LEGACY):
        return tuple(getattr(blob, name) for name in _LEGACY)
    return tuple(blob.shape.dim)


def blob_array(blob: BlobProto, diff: bool = False) -> np.ndarray:
    """Return a blob's data, or diff, in its shape: float32, float64 where it was kept as double.

    Raises ValueError where the numbers are not as many as the shape says.
    """
    values = _values(blob, diff)
    shape = blob_shape(blob)
    if values.size != np.prod(shape, dtype=np.int64):
        raise ValueError(f'a blob of shape {shape} holds {values.size} numbers; '
                         f'expected {np.prod(shape, dtype=np.int64)}')
    return values.reshape(shape)


def _values(blob: BlobProto, diff: bool) -> np.ndarray:
    single, double = (_DIFF, _DOUBLE_DIFF) if diff else (_DATA, _DOUBLE_DATA)
    parts: dict[int, list[memoryview]] = {single: [], double: []}
    wire = memoryview(blob.SerializeToString())
    for field in fields(wire):
        if field.number in parts:
            parts[field.number].append(wire[field.start:field.end])
    number, kind = (double, '<f8') if parts[double] else (single, '<f4')
    arrays = [np.frombuffer(part, kind) for part in parts[number]]
    return np.concatenate(arrays) if arrays else np.zeros(0, kind)


def array_blob(array: np.ndarray, diff: np.ndarray | None = None,
               double: bool = False) -> BlobProto:
    """Return a blob of an array's shape and numbers, as float32 or as double."""
    return fill_blob(BlobProto(), array, diff, double)


def fill_blob(blob: BlobProto, array: np.ndarray, diff: np.ndarray | None = None,
              double: bool = False) -> BlobProto:
    """Replace all that a blob holds by an array's shape and numbers, and return it."""
    array = np.asarray(array)
    if diff is not None and diff.shape != array.shape:
        raise ValueError(f'the diff has shape {diff.shape}; expected {array.shape} as the data')
    blob.ParseFromString(b''.join(blob_parts(array, diff, double)))
    return blob


def blob_parts(array: np.ndarray, diff: np.ndarray | None = None,
               double: bool = False) -> Iterator[bytes | memoryview]:
    """Yield the serialised BlobProto in pieces; the numbers are views of the arrays, not copies."""
    numbers: tuple[tuple[int, np.ndarray | None], ...] = ((_DATA, array), (_DIFF, diff))
    if double:
        numbers = ((_DOUBLE_DATA, array), (_DOUBLE_DIFF, diff))
    kind = '<f8' if double else '<f4'
    pieces: dict[int, bytes | memoryview] = {
        number: _packed(values, kind) for number, values in numbers if values is not None}
    pieces[_SHAPE] = _dims(array.shape)
    for number in sorted(pieces):
        if len(pieces[number]) or number == _SHAPE:
            yield tagged(number, len(pieces[number]))
            yield pieces[number]


def _packed(values: np.ndarray, kind: str) -> memoryview:
    flat = np.ascontiguousarray(values, kind).reshape(-1)
    return flat.view(np.uint8).data


def _dims(shape: Sequence[int]) -> bytes:
    dims = b''.join(map(varint, shape))
    return tagged(1, len(dims)) + dims if shape else b''
