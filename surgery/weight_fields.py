"""What reading weights needs of protobuf's wire format beyond netspec.schema.wire.

Encoding: https://protobuf.dev/programming-guides/encoding/. Views are memoryviews of the file.
"""

from collections.abc import Iterator

import numpy as np

from netspec.schema.wire import BYTES, FIXED32, FIXED64, VARINT, Field, WireError, fields

WIDTHS = {FIXED64: 8, FIXED32: 4}


def payload(view: memoryview, field: Field) -> memoryview:
    """Return a field's bytes, in place."""
    return view[field.start:field.end]


def text(view: memoryview, field: Field) -> str:
    """Decode a string."""
    return bytes(payload(view, field)).decode('utf-8', 'surrogateescape')


def integers(view: memoryview, field: Field) -> list[int]:
    """Decode an int32 or int64 field, repeated and packed or not."""
    numbers, value, shift = [], 0, 0
    if field.kind not in (VARINT, BYTES):
        raise WireError(f'field {field.number} holds no integers', field.start, False)
    for byte in payload(view, field):
        value |= (byte & 0x7f) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(value - (value >> 63 << 64))
            value = shift = 0
    return numbers


def integer(view: memoryview, field: Field) -> int:
    """Decode an integer field; of several the last, as protobuf does."""
    return (integers(view, field) or [0])[-1]


def runs(view: memoryview) -> Iterator[tuple[Field, int]]:
    """Walk over a message as `fields` does, but give a run of equal fixed-width fields as one
    Field.

    An unpacked `repeated float` has its tag before every value. Beside each Field comes the
    distance from one value to the next, 0 for a field that is no such run. Raises WireError.
    """
    at = 0
    while at < len(view):
        begin = at
        for field in fields(view[begin:]):
            tag, at = at, begin + field.end
            field = Field(field.number, field.kind, begin + field.start, at)
            if field.kind in WIDTHS:
                break
            yield field, 0
        else:
            return
        stride = at - tag
        at = tag + stride * _same_tags(view[tag:], stride, field.start - tag)
        yield field._replace(end=at), stride


def _same_tags(view: memoryview, stride: int, size: int) -> int:
    """Count the values, one `stride` apart, whose first `size` bytes are those of the first."""
    whole = np.frombuffer(view, np.uint8, len(view) // stride * stride).reshape(-1, stride)
    count, window = 1, 16
    while count < len(whole):
        same = (whole[count:count + window, :size] == whole[0, :size]).all(axis=1)
        if not same.all():
            return count + int(same.argmin())
        count, window = count + len(same), window * 2
    return count


def floats(view: memoryview, field: Field, stride: int, dtype: str) -> np.ndarray:
    """Lay an array over a packed float field, or copy the values of an unpacked run."""
    width = np.dtype(dtype).itemsize
    size = field.end - field.start
    if field.kind == BYTES and size % width == 0:
        return np.frombuffer(payload(view, field), dtype) if size else np.zeros(0, dtype)
    if WIDTHS.get(field.kind) != width:
        raise WireError(f'field {field.number} holds {size} bytes, no whole number of {dtype}',
                        field.start, False)
    count = (size - width) // stride + 1
    return np.ndarray((count,), dtype, view, field.start, (stride,)).copy()
