"""Protobuf's wire format, as far as walking over the fields of one message needs it."""

from collections.abc import Iterator
from typing import NamedTuple

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class Field(NamedTuple):
    """One field of a message: number, wire type, and where its payload lies."""

    number: int
    kind: int
    start: int
    end: int


class WireError(ValueError):
    """Bytes that are no message; `at` is where, `cut` tells that they only end too early."""

    def __init__(self, what: str, at: int, cut: bool) -> None:
        super().__init__(f'{what} at byte {at}')
        self.at, self.cut = at, cut


def varint(value: int) -> bytes:
    """Encode an integer of 0 or more in base 128, lowest seven bits first."""
    encoded = bytearray()
    while value > 0x7f:
        encoded.append(value & 0x7f | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def tag(number: int, kind: int) -> bytes:
    """Return the bytes that begin a field of a number and a wire type."""
    return varint(number << 3 | kind)


def tagged(number: int, size: int) -> bytes:
    """Return the bytes before a length-delimited payload of `size` bytes."""
    return tag(number, BYTES) + varint(size)


def integer(payload: bytes | memoryview) -> int:
    """Return the integer of 0 or more that a varint's payload holds; 0 for an empty one."""
    return sum((byte & 0x7f) << 7 * i for i, byte in enumerate(payload))


def fields(buffer: bytes | memoryview) -> Iterator[Field]:
    """Walk over the outermost fields of a serialised message; raises WireError."""
    at, size = 0, len(buffer)
    while at < size:
        begin = at
        begun, at = _varint(buffer, at)
        number, kind = begun >> 3, begun & 7
        if kind == VARINT:
            end = _varint(buffer, at)[1]
        elif kind == BYTES:
            length, at = _varint(buffer, at)
            end = at + length
        elif kind in _FIXED:
            end = at + _FIXED[kind]
        else:
            raise WireError(f'wire type {kind}', begin, False)
        if number == 0:
            raise WireError('field number 0', begin, False)
        if end > size:
            raise WireError(f'field {number} needs {end - at} bytes, {size - at} are left',
                            begin, True)
        yield Field(number, kind, at, end)
        at = end


def _varint(buffer: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return a base-128 integer and the offset behind it."""
    value = shift = 0
    while at < len(buffer):
        byte = buffer[at]
        at += 1
        value |= (byte & 0x7f) << shift
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise WireError('an integer of more than 10 bytes', at, False)
    raise WireError('an integer', at, True)
