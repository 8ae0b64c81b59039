"""Messages into prototxt, in the style of the published nets: what a C++ protobuf prints.

Fields in the order of their numbers, two spaces a level, a closing newline.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from netspec.schema.messages import NetParameter, is_repeated

_ESCAPES = {'\n': r'\n', '\r': r'\r', '\t': r'\t', '"': r'\"', "'": r"\'", '\\': r'\\',
            **{chr(code): f'\\{code:03o}' for code in (*range(9), 11, 12, *range(14, 32), 127)}}
_QUOTED = str.maketrans(_ESCAPES)
OWN_FIELDS = '# Caffe cannot read this net: the dilation of its poolings is a field of fcn-caffe.\n'
_EXACT = 1e16  # from here on Python writes floats with an exponent


def print_message(message: Message) -> str:
    """Return a message as prototxt; fields that this schema does not know are left out."""
    return ''.join(f'{line}\n' for line in _lines(message, ''))


print_solver = print_message


def print_net(net: NetParameter) -> str:
    """Return a net as prototxt; a comment begins one that only this project reads."""
    own = any({*layer.pooling_param.dilation} - {1} for layer in net.layer
              if layer.type == 'Pooling')
    return OWN_FIELDS * own + print_message(net)


def message_digest(message: Message) -> str:
    """Return the sha256 of a message serialised with its fields in number order, in hexadecimal."""
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


def _lines(message: Message, indent: str) -> Iterator[str]:
    for field, value in message.ListFields():
        repeated, printer = _plan(field)
        for item in value if repeated else (value,):
            if printer:
                yield f'{indent}{field.name}: {printer(item)}'
            else:
                yield f'{indent}{field.name} {{'
                yield from _lines(item, indent + '  ')
                yield f'{indent}}}'


@cache
def _plan(field: FieldDescriptor) -> tuple[bool, Callable | None]:
    """Return whether a field is repeated, and what prints one value; None for a message."""
    if field.enum_type:
        return is_repeated(field), {value.number: value.name
                                    for value in field.enum_type.values}.__getitem__
    if field.type == FieldDescriptor.TYPE_BYTES:
        return is_repeated(field), _bytes
    return is_repeated(field), _PRINTERS.get(field.cpp_type, str)


def float32_text(value: float) -> str:
    """Print a float32: the fewest digits that read back the same, and no '.0' behind an integer."""
    return _number(value, repr(float(str(np.float32(value)))))


def _double(value: float) -> str:
    return _number(value, repr(value))


def _number(value: float, shortest: str) -> str:
    if value == 0 or abs(value) < _EXACT and value == int(value):
        return shortest[:-2] if shortest.endswith('.0') else str(int(value))
    return shortest


def _string(value: str) -> str:
    return f'"{value.translate(_QUOTED)}"'


def _bytes(value: bytes) -> str:
    text = value.decode('latin-1').translate(_QUOTED)
    return '"' + ''.join(c if c < '\x80' else f'\\{ord(c):03o}' for c in text) + '"'


_PRINTERS = {FieldDescriptor.CPPTYPE_FLOAT: float32_text, FieldDescriptor.CPPTYPE_DOUBLE: _double,
             FieldDescriptor.CPPTYPE_BOOL: lambda value: 'true' if value else 'false',
             FieldDescriptor.CPPTYPE_STRING: _string, FieldDescriptor.CPPTYPE_MESSAGE: None}
