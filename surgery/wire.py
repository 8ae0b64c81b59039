"""The protobuf wire format, as far as weights need it: fields found in place, never copied.

Encoding: https://protobuf.dev/programming-guides/encoding/. A buffer here is a bytes or an mmap;
positions are offsets from its beginning, so that arrays can be laid over it where they stand.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED64: 8, FIXED32: 4}


class WireError(ValueError):
    """Bytes that are no protobuf message: says where and why."""


class Field(NamedTuple):
    """One field: its bytes are buf[start:stop]; `value` of a varint; `stride` of a fixed run."""

    number: int
    wire: int
    start: int
    stop: int
    value: int = 0
    stride: int = 0


def varint(buf: Sequence[int], pos: int, end: int) -> tuple[int, int]:
    """Decode the varint at `pos`; return it and the position behind it."""
    value = shift = 0
    while pos < end and shift < 70:
        byte = buf[pos]
        pos += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value & (2 ** 64 - 1), pos
        shift += 7
    raise WireError(f'byte {pos}: ' + ('a number is cut off' if shift < 70 else
                                       'a number is longer than ten bytes'))


def fields(buf: Sequence[int], pos: int, end: int) -> Iterator[Field]:
    """Walk the message in buf[pos:end]; a run of one fixed-width field comes as one Field.

    An unpacked `repeated float` has its tag before every value: such a run is found by looking
    at whole windows of tags at once. Raises WireError where a field leaves the message.
    """
    while pos < end:
        tag, start = varint(buf, pos, end)
        number, wire = tag >> 3, tag & 7
        if wire == VARINT:
            value, stop = varint(buf, start, end)
            field = Field(number, wire, start, stop, value)
        elif wire == BYTES:
            size, start = varint(buf, start, end)
            field = Field(number, wire, start, start + size)
        elif wire in WIDTHS:
            stride = start - pos + WIDTHS[wire]
            count = _run(buf, pos, end, stride, start - pos)
            field = Field(number, wire, start, pos + count * stride, 0, stride)
        else:
            raise WireError(f'byte {pos}: wire type {wire} is not one that Caffe writes')
        if number == 0 or field.stop > end:
            raise WireError(f'byte {pos}: field {number} needs bytes up to {field.stop}, '
                            f'its message ends at {end}')
        yield field
        pos = field.stop


def _run(buf: Sequence[int], pos: int, end: int, stride: int, tag_size: int) -> int:
    """Count the values from `pos` on that carry the same tag, one `stride` apart (at least 1)."""
    tag = buf[pos:pos + tag_size]
    count = 1
    if buf[pos + stride:pos + stride + tag_size] != tag:
        return count
    bytes_left = np.frombuffer(buf, np.uint8, end - pos, pos)
    whole = bytes_left[:len(bytes_left) // stride * stride].reshape(-1, stride)[:, :tag_size]
    window = 1 << 10
    while count < len(whole):
        same = (whole[count:count + window] == np.frombuffer(tag, np.uint8)).all(axis=1)
        if not same.all():
            return count + int(same.argmin())
        count += len(same)
        window *= 2
    return count


def floats(buf: Sequence[int], field: Field, dtype: str) -> np.ndarray:
    """Lay an array over a float field: a view of a packed one, a copy of an unpacked run."""
    width = np.dtype(dtype).itemsize
    size = field.stop - field.start
    if field.wire == BYTES:
        if size % width:
            raise WireError(f'byte {field.start}: {size} bytes are no whole number of {dtype}')
        return np.frombuffer(buf, dtype, size // width, field.start)
    if WIDTHS.get(field.wire) != width:
        raise WireError(f'byte {field.start}: wire type {field.wire} does not hold {dtype}')
    count = (size - width) // field.stride + 1
    return np.ndarray((count,), dtype, buf, field.start, (field.stride,)).copy()


def varints(buf: Sequence[int], field: Field) -> list[int]:
    """Decode a repeated integer field, packed or not, as signed 64-bit numbers."""
    numbers, pos = [field.value] if field.wire == VARINT else [], field.start
    while field.wire == BYTES and pos < field.stop:
        number, pos = varint(buf, pos, field.stop)
        numbers.append(number)
    return [number - 2 ** 64 if number >> 63 else number for number in numbers]


def text(buf: Sequence[int], field: Field) -> str:
    """Decode a string field."""
    return bytes(buf[field.start:field.stop]).decode('utf-8', 'surrogateescape')


def encode_varint(value: int) -> bytes:
    """Encode one non-negative integer."""
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode_header(number: int, size: int) -> bytes:
    """Encode what stands before a length-delimited field of `size` bytes."""
    return encode_varint(number << 3 | BYTES) + encode_varint(size)


def encode_bytes(number: int, payload: bytes) -> bytes:
    """Encode a whole string, bytes or message field."""
    return encode_header(number, len(payload)) + payload


def encode_text(number: int, value: str) -> bytes:
    """Encode a whole string field."""
    return encode_bytes(number, value.encode('utf-8', 'surrogateescape'))
