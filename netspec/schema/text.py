"""Prototxt into messages: the protobuf text format that Caffe's net and solver files are in.

A parser of our own rather than google.protobuf.text_format, for the sake of its errors:
file:line:column, what was wrong, what was expected, what was probably meant.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NoReturn, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from netspec.schema import hints
from netspec.schema.files import existing, foreign, is_text
from netspec.schema.lexer import PrototxtError, Token, place, tokens, unescape
from netspec.schema.messages import descriptor_of, is_repeated

M = TypeVar('M', bound=Message)
_CLOSING = {'{': '}', '<': '>'}
_RANGES = {FieldDescriptor.CPPTYPE_INT32: (-2 ** 31, 2 ** 31 - 1),
           FieldDescriptor.CPPTYPE_INT64: (-2 ** 63, 2 ** 63 - 1),
           FieldDescriptor.CPPTYPE_UINT32: (0, 2 ** 32 - 1),
           FieldDescriptor.CPPTYPE_UINT64: (0, 2 ** 64 - 1)}
_BOOLEANS = {'true': True, 'True': True, 't': True, '1': True,
             'false': False, 'False': False, 'f': False, '0': False}
_NOT_FINITE = {'inf': float('inf'), 'infinity': float('inf'), 'nan': float('nan')}


def parse(text: str, message: M, source: str = '<string>') -> M:
    """Fill a fresh message from prototxt text and return it; raises PrototxtError."""
    _Parser(text, source).fill(message)
    return message


def parse_marked(text: str, message: Message, source: str,
                 fields: tuple[str, ...]) -> list[tuple[str, int]]:
    """Fill a message as parse does; return (name, line) of its own fields named in `fields`."""
    parser = _Parser(text, source)
    parser.fill(message)
    lines, line, last = [], 1, 0
    for name, at in parser.outermost:
        line, last = line + text.count('\n', last, at), at
        if name in fields:
            lines.append((name, line))
    return lines


@cache
def _plan(descriptor: Descriptor) -> dict[str, tuple[FieldDescriptor, bool, Callable | None]]:
    """Tabulate a message's fields by name: descriptor, repeated or not, reader of its scalars."""
    return {field.name: (field, is_repeated(field), _READERS.get(field.cpp_type))
            for field in descriptor.fields}


class _Parser:
    """A recursive descent over the tokens of one prototxt."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source
        self.tokens = tokens(text, source)
        self.next = 0
        self.blocks: list[tuple[Token, Descriptor]] = []  # the open ones, outermost first
        self.outermost: list[tuple[str, int]] = []

    def fill(self, message: Message) -> None:
        """Read the whole text into `message`."""
        self.root = descriptor_of(message)
        self.block(message, 'end')
        if not message.IsInitialized():
            self.fail(self.tokens[-1], hints.required(message))

    def fail(self, token: Token, what: str) -> NoReturn:
        """Raise the PrototxtError of a token."""
        raise PrototxtError(what, self.source, *place(self.text, token.at))

    def take(self) -> Token:
        """Return the next token and step over it."""
        token = self.tokens[self.next]
        self.next += 1
        return token

    def skip(self, symbols: str) -> bool:
        """Step over the next token if it is one of these symbols."""
        token = self.tokens[self.next]
        found = token.kind == 'symbol' and token.text in symbols
        self.next += found
        return found

    def block(self, message: Message, closing: str) -> None:
        """Read fields into a message until its closing brace, or the end of the text."""
        descriptor = descriptor_of(message)
        plan = _plan(descriptor)
        seen: dict[str, int] = {}
        while True:
            token = self.take()
            if token.kind == 'name':
                self.field(message, plan, token, seen)
                self.skip(',;')
            elif (token.text or token.kind) == closing:
                return
            else:
                self.fail(token, hints.stray(token, closing, self.opened(), descriptor))

    def opened(self) -> str:
        """Name the innermost open block and the place where it was opened, if there is one."""
        if not self.blocks:
            return ''
        token, descriptor = self.blocks[-1]
        line, column = place(self.text, token.at)
        return f'{token.text} ({descriptor.name}) opened at line {line}, column {column}'

    def field(self, message: Message, plan: dict, token: Token, seen: dict[str, int]) -> None:
        """Read what follows a field's name into the message."""
        name = token.text
        if name not in plan:
            around = [self.root, *(inner for _, inner in self.blocks[:-1])] if self.blocks else []
            self.fail(token, hints.unknown_field(name, descriptor_of(message), around,
                                                 self.opened()))
        field, repeated, reader = plan[name]
        if not self.blocks:
            self.outermost.append((name, token.at))
        if not repeated and name in seen:
            line, _ = place(self.text, seen[name])
            self.fail(token, f'{name!r} of {message.DESCRIPTOR.name} given twice, first in line '
                             f'{line}; expected it once: the field is not repeated')
        seen[name] = token.at
        self.values(message, field, repeated, reader, token)

    def values(self, message: Message, field: FieldDescriptor, repeated: bool,
               reader: Callable | None, name: Token) -> None:
        """Read one value, or a list of them in brackets, into a field."""
        colon = self.skip(':')
        if not colon and reader:
            self.fail(self.tokens[self.next], hints.no_colon(field, self.tokens[self.next]))
        if not (repeated and self.skip('[')):
            self.value(message, field, repeated, reader, name)
            return
        if self.skip(']'):
            return
        while True:
            self.value(message, field, repeated, reader, name)
            if self.skip(']'):
                return
            if not self.skip(','):
                token = self.tokens[self.next]
                self.fail(token, f'{hints.shown(token)} in the list of {field.name!r}; '
                                 "expected ',' or ']'")

    def value(self, message: Message, field: FieldDescriptor, repeated: bool,
              reader: Callable | None, name: Token) -> None:
        """Read one value into a field."""
        if reader is None:
            self.submessage(message, field, repeated, name)
        elif repeated:
            getattr(message, field.name).append(reader(self, field))
        else:
            setattr(message, field.name, reader(self, field))

    def submessage(self, message: Message, field: FieldDescriptor, repeated: bool,
                   name: Token) -> None:
        """Read a block in braces or angle brackets."""
        token = self.take()
        if token.kind != 'symbol' or token.text not in _CLOSING:
            self.fail(token, hints.no_block(field, token))
        inner = getattr(message, field.name)
        if repeated:
            inner = inner.add()
        else:
            inner.SetInParent()
        self.blocks.append((Token('name', name.text, name.at), descriptor_of(inner)))
        self.block(inner, _CLOSING[token.text])
        self.blocks.pop()
        if not inner.IsInitialized():
            self.fail(name, hints.required(inner))

    def signed(self) -> tuple[str, Token]:
        """Take an optional minus and the token after it."""
        token = self.take()
        if token.kind == 'symbol' and token.text == '-':
            return '-', self.take()
        return '', token

    def integer(self, field: FieldDescriptor) -> int:
        """Read a decimal, hexadecimal or octal integer and hold it against the field's range."""
        at = self.tokens[self.next]
        sign, token = self.signed()
        if token.kind != 'int':
            self.fail(at, hints.mistyped(field, sign, token))
        value = -self.whole(token) if sign else self.whole(token)
        low, high = _RANGES[field.cpp_type]
        if not low <= value <= high:
            self.fail(at, f'{field.name!r} is {sign}{token.text}; expected an integer from {low} '
                          f'to {high}')
        return value

    def whole(self, token: Token) -> int:
        """Return the value of an integer token."""
        text = token.text
        if len(text) == 1 or text[0] != '0':
            return int(text)
        if text[1] in 'xX':
            return int(text, 16)
        if set(text) - set('01234567'):
            self.fail(token, f'{text} begins with 0 and is therefore octal; expected the digits 0 '
                             f'to 7, or {text.lstrip("0")} for the decimal number')
        return int(text, 8)

    def number(self, field: FieldDescriptor) -> float:
        """Read a float: a decimal number, or inf, infinity, nan."""
        at = self.tokens[self.next]
        sign, token = self.signed()
        text = token.text.lower()
        if token.kind == 'float':
            value = float(text.rstrip('f'))
        elif token.kind == 'int' and (text[0] != '0' or not text.strip('0')):
            value = float(text)
        elif token.kind == 'name' and text in _NOT_FINITE:
            value = _NOT_FINITE[text]
        else:
            self.fail(at, hints.mistyped(field, sign, token))
        return -value if sign else value

    def boolean(self, field: FieldDescriptor) -> bool:
        """Read true, false and their short forms."""
        token = self.take()
        if token.kind in ('name', 'int') and token.text in _BOOLEANS:
            return _BOOLEANS[token.text]
        self.fail(token, hints.mistyped(field, '', token))

    def enum(self, field: FieldDescriptor) -> int:
        """Read an enum's value by name or by number."""
        at = self.tokens[self.next]
        sign, token = self.signed()
        known = {} if field.enum_type is None else {
            value.name: value.number for value in field.enum_type.values}
        if token.kind == 'name' and not sign and token.text in known:
            return known[token.text]
        if token.kind == 'int':
            number = -self.whole(token) if sign else self.whole(token)
            if number in known.values():
                return number
        self.fail(at, hints.mistyped(field, sign, token))

    def octets(self, field: FieldDescriptor) -> bytes:
        """Read one quoted string, or several in a row, which are one string."""
        at = self.tokens[self.next]
        if at.kind != 'string':
            self.fail(at, hints.mistyped(field, *self.signed()))
        parts = []
        while self.tokens[self.next].kind == 'string':
            token = self.take()
            try:
                parts.append(unescape(token.text))
            except ValueError as error:
                self.fail(token, f'{field.name!r}: {error}')
        return b''.join(parts)

    def string(self, field: FieldDescriptor) -> str | bytes:
        """Read a string field; its bytes must be UTF-8."""
        at = self.tokens[self.next]
        value = self.octets(field)
        if field.type == FieldDescriptor.TYPE_BYTES:
            return value
        try:
            return value.decode()
        except UnicodeDecodeError:
            self.fail(at, f'{field.name!r} is not UTF-8 text; expected the file saved as UTF-8')


_READERS = {**dict.fromkeys(_RANGES, _Parser.integer),
            FieldDescriptor.CPPTYPE_FLOAT: _Parser.number,
            FieldDescriptor.CPPTYPE_DOUBLE: _Parser.number,
            FieldDescriptor.CPPTYPE_BOOL: _Parser.boolean,
            FieldDescriptor.CPPTYPE_ENUM: _Parser.enum,
            FieldDescriptor.CPPTYPE_STRING: _Parser.string}


def read_text(path: str | Path) -> str:
    """Return a prototxt file's text; raises FileNotFoundError, PrototxtError on a binary file."""
    with existing(path, 'prototxt').open('rb') as file:
        head = file.read(4096)
        kind = foreign(head) or not is_text(head) and 'a binary file (a .caffemodel?)'
        if kind:
            raise PrototxtError(f'this is {kind}, not a prototxt; expected the net or solver as '
                                'text', str(path), 1, 1)
        return (head + file.read()).decode('utf-8', 'surrogateescape')
