"""Type stubs of the message classes, which messages.py makes at import: messages.pyi.

Type checkers and editors read them; `python -m netspec.schema.build` writes them from caffe.desc.
"""

from collections.abc import Iterator
from keyword import iskeyword
from pathlib import Path

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)

HEAD = '''"""Written by python -m netspec.schema.build from caffe.proto; never edited by hand."""

from collections.abc import Iterable
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor
from google.protobuf.internal.containers import (
    RepeatedCompositeFieldContainer,
    RepeatedScalarFieldContainer,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

DESCRIPTOR: FileDescriptor

def descriptor_of(message: Message) -> Descriptor: ...
def is_repeated(field: FieldDescriptor) -> bool: ...
def is_required(field: FieldDescriptor) -> bool: ...
'''
INDENT = '    '
F = FieldDescriptorProto
SCALARS = {F.TYPE_STRING: 'str', F.TYPE_BYTES: 'bytes', F.TYPE_BOOL: 'bool',
           F.TYPE_FLOAT: 'float', F.TYPE_DOUBLE: 'float'}       # all others are integers


def read_descriptor(path: Path) -> FileDescriptorProto:
    """Read the one file of a compiled descriptor set."""
    return FileDescriptorSet.FromString(path.read_bytes()).file[0]


def stub_text(file: FileDescriptorProto) -> str:
    """Return the text of messages.pyi."""
    lines = [HEAD, *exported_lines(file)]
    for enum in file.enum_type:
        lines += enum_lines(enum, '')
    for message in file.message_type:
        lines += ['', *message_lines(message, file.package, '')]
    return '\n'.join(lines) + '\n'


def exported_lines(file: FileDescriptorProto) -> Iterator[str]:
    """Give the names that a star import takes: those of messages.py, and the enums' values."""
    names = ['DESCRIPTOR', 'descriptor_of', 'is_repeated', 'is_required',
             *(message.name for message in file.message_type)]
    for enum in file.enum_type:
        names += [enum.name, *(value.name for value in enum.value)]
    yield '__all__ = ['
    yield from (f'{INDENT}"{name}",' for name in names)
    yield ']\n'


def enum_lines(enum: EnumDescriptorProto, indent: str) -> Iterator[str]:
    """Give an enum and its values, which are integers in Python."""
    yield f'{indent}{enum.name}: EnumTypeWrapper'
    for value in enum.value:
        yield f'{indent}{value.name}: int'


def message_lines(message: DescriptorProto, package: str, outer: str) -> Iterator[str]:
    """Give a message class: its enums, the messages inside it, its fields, its constructor."""
    inside = outer + INDENT
    fields = [field for field in message.field if not iskeyword(field.name)]
    yield f'{outer}class {message.name}(Message):'
    yield f'{inside}DESCRIPTOR: Descriptor'
    for enum in message.enum_type:
        yield from enum_lines(enum, inside)
    for nested in message.nested_type:
        yield from message_lines(nested, package, inside)
    for field in fields:
        yield from field_lines(field, package, inside)
    yield from call_lines('__init__', [f'{field.name}: {given_type(field, package)} = ...'
                                       for field in fields], inside)


def call_lines(name: str, arguments: list[str], indent: str) -> Iterator[str]:
    """Give the signature of a method that takes its arguments by name, one a line."""
    if not arguments:
        yield f'{indent}def {name}(self) -> None: ...'
        return
    yield f'{indent}def {name}('
    yield f'{indent}{INDENT}self, *,'
    yield from (f'{indent}{INDENT}{argument},' for argument in arguments)
    yield f'{indent}) -> None: ...'


def field_lines(field: FieldDescriptorProto, package: str, indent: str) -> Iterator[str]:
    """Give a field: what is no scalar can be changed, but not set."""
    kind, repeated = value_type(field, package), field.label == F.LABEL_REPEATED
    if not repeated and field.type != F.TYPE_MESSAGE:
        yield f'{indent}{field.name}: {kind}'
        return
    if repeated:
        word = 'Composite' if field.type == F.TYPE_MESSAGE else 'Scalar'
        kind = f'Repeated{word}FieldContainer[{kind}]'
    yield f'{indent}@property'
    yield f'{indent}def {field.name}(self) -> {kind}: ...'


def value_type(field: FieldDescriptorProto, package: str) -> str:
    """Return the Python type of one value of a field."""
    if field.type == F.TYPE_MESSAGE:
        return field.type_name.removeprefix(f'.{package}.')
    return SCALARS.get(field.type, 'int')


def given_type(field: FieldDescriptorProto, package: str) -> str:
    """Return what a constructor takes for a field: a message's dict, an enum's name, too."""
    kind = value_type(field, package)
    if field.type == F.TYPE_MESSAGE:
        kind += ' | dict[str, Any]'
    elif field.type == F.TYPE_ENUM:
        kind += ' | str'
    return (f'Iterable[{kind}]' if field.label == F.LABEL_REPEATED else kind) + ' | None'
