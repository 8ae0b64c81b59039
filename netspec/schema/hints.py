"""The texts of errors in a prototxt: what stands there, what was expected, what was meant.

Nothing is read here; each function returns one text.
"""

import difflib

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from netspec.schema.lexer import Token, closest
from netspec.schema.messages import (
    LayerParameter,
    NetParameter,
    SolverParameter,
    descriptor_of,
    is_required,
)

_LONGEST_LIST = 30
_LONGEST_TOKEN = 60
_WANTED = {FieldDescriptor.CPPTYPE_INT32: 'an integer',
           FieldDescriptor.CPPTYPE_INT64: 'an integer',
           FieldDescriptor.CPPTYPE_UINT32: 'an integer of 0 or more',
           FieldDescriptor.CPPTYPE_UINT64: 'an integer of 0 or more',
           FieldDescriptor.CPPTYPE_FLOAT: 'a decimal number',
           FieldDescriptor.CPPTYPE_DOUBLE: 'a decimal number',
           FieldDescriptor.CPPTYPE_BOOL: 'true or false',
           FieldDescriptor.CPPTYPE_STRING: 'a string in quotes'}

_SINCE_V1 = {'blobs_lr': 'param { lr_mult: ... }', 'weight_decay': 'param { decay_mult: ... }',
             'blob_share_mode': 'param { share_mode: ... }'}
_FILES = {NetParameter.DESCRIPTOR: 'net', SolverParameter.DESCRIPTOR: 'solver'}


def shown(token: Token) -> str:
    """Show a token as an error quotes it."""
    if token.kind == 'end':
        return 'the file ends'
    if len(token.text) > _LONGEST_TOKEN:
        return token.text[:_LONGEST_TOKEN] + '...'
    return token.text if token.kind in ('string', 'int', 'float') else repr(token.text)


def one_of(known: list[str], name: str = '') -> str:
    """List the known names; of a long list those most like `name` come, and the count."""
    if len(known) <= _LONGEST_LIST:
        return 'one of ' + ', '.join(known)
    near = difflib.get_close_matches(name, known, 8, 0.0)
    return f'one of {", ".join(near)}, ... ({len(known)} in all)'


def _meant(guess: str) -> str:
    return f'; did you mean {guess!r}?' if guess else ''


def unknown_field(name: str, descriptor: Descriptor, around: list[Descriptor],
                  opened: str) -> str:
    """Explain a name that the message lacks: misspelt, a block too deep, or a block too high."""
    known = [field.name for field in descriptor.fields]
    return (f'unknown field {name!r} in {descriptor.name}; expected {one_of(known, name)}'
            + (_elsewhere(name, descriptor, around, opened) or _meant(closest(name, known))
               or _deeper(name, descriptor)))


def _elsewhere(name: str, descriptor: Descriptor, around: list[Descriptor], opened: str) -> str:
    """Explain a name that an enclosing block has, that another file has, or that V1 nets had."""
    for outer in reversed(around):
        if name in outer.fields_by_name:
            return f"; {outer.name} has it: is a '}}' missing for {opened}?"
    if descriptor is LayerParameter.DESCRIPTOR and name in _SINCE_V1:
        return f'; old nets with `layers` have it, with `layer` write {_SINCE_V1[name]}'
    for other, file in _FILES.items():
        if not around and not opened and name in other.fields_by_name:
            return f'; {other.name} has it: is this the file of a {file}?'
    return ''


def _deeper(name: str, descriptor: Descriptor) -> str:
    """Explain a name, or nearly so, that belongs one block deeper."""
    inner = {field.name: list(field.message_type.fields_by_name)
             for field in descriptor.fields if field.message_type}
    meant = closest(name, [known for names in inner.values() for known in names])
    blocks = [block for block, names in inner.items() if meant in names]
    if not meant or len(blocks) > 4:
        return ''
    return f'; did you mean {meant!r} inside {" or ".join(blocks)} {{ }}?'


def stray(token: Token, closing: str, opened: str, descriptor: Descriptor) -> str:
    """Explain a token where a field's name or the closing brace should stand."""
    if token.kind == 'end':
        return f'the file ends inside {opened}; expected {closing!r}'
    if closing == 'end' and token.text in '}>':
        return f'{token.text!r} closes nothing; expected a field or the end of the file'
    where = f'or {closing!r} for {opened}' if opened else 'or the end of the file'
    return f'{shown(token)} in {descriptor.name}; expected a field name {where}'


def no_colon(field: FieldDescriptor, token: Token) -> str:
    """Explain a scalar field without its colon."""
    if token.text == '{':
        return f"{field.name!r} is not a block; expected ':' and {wanted(field)}"
    return f"{shown(token)} after {field.name!r}; expected ':' and {wanted(field)}"


def no_block(field: FieldDescriptor, token: Token) -> str:
    """Explain a message field without its block."""
    kind = field.message_type.name if field.message_type else 'its fields'
    return f'{shown(token)} after {field.name!r}; expected a block {{ }} of {kind}'


def wanted(field: FieldDescriptor, name: str = '') -> str:
    """Say what a scalar field's value looks like."""
    if field.enum_type:
        return one_of([value.name for value in field.enum_type.values], name)
    return _WANTED[field.cpp_type]


def mistyped(field: FieldDescriptor, sign: str, token: Token) -> str:
    """Explain a value of the wrong type, or a name that the enum lacks."""
    if token.kind == 'end':
        return f'the file ends after {field.name!r}; expected {wanted(field)}'
    if token.text == '[':
        return f'{field.name!r} is not repeated; expected {wanted(field)}, without brackets'
    got = shown(token._replace(text=sign + token.text))
    text = f'{field.name!r} is {got}; expected {wanted(field, token.text)}'
    if field.enum_type:
        names = [value.name for value in field.enum_type.values]
        return text + _meant(closest(token.text.strip('"\''), names))
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and token.kind in ('name', 'int', 'float'):
        return f'{text}; did you mean "{sign}{token.text}"?'
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return text + _meant(closest(token.text.strip('"\''), ['true', 'false']))
    return text


def required(message: Message) -> str:
    """Explain a message that lacks a required field of its own or of a message inside."""
    descriptor = descriptor_of(message)
    missing = [field.name for field in descriptor.fields
               if is_required(field) and not message.HasField(field.name)]
    if not missing:
        missing = getattr(message, 'FindInitializationErrors')()    # noqa: B009 (not in its stub)
    lacking = " and ".join(map(repr, missing))
    return f'{descriptor.name} lacks {lacking}; expected all required fields'
