"""Prototxt into tokens, and the error that says where a prototxt is wrong.

The tokens are those of the protobuf text format as C++ reads it, which is what Caffe used.
"""

import difflib
import re
from typing import NamedTuple


class PrototxtError(ValueError):
    """A faulty prototxt: 'source:line:column: what; expected ...; did you mean ...'."""

    def __init__(self, what: str, source: str, line: int, column: int) -> None:
        super().__init__(f'{source}:{line}:{column}: {what}')
        self.what, self.source, self.line, self.column = what, source, line, column


class Token(NamedTuple):
    """One token: its kind (name, float, int, string, symbol, end), its text, its offset."""

    kind: str
    text: str
    at: int


_TOKEN = re.compile(r'''
    (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<float>(?!0[xX\d])(?:(?:\d+\.\d*|\.\d+)(?:[eE][+-]?\d+)?[fF]?|\d+[eE][+-]?\d+[fF]?|\d+[fF]))
  | (?P<int>0[xX][0-9a-fA-F]+|\d+)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*"|'(?:[^'\\\n]|\\[^\n])*')
  | (?P<symbol>[{}<>:\[\],;/-])
  | (?P<blank>[ \t\r\n\v\f]+|\#[^\n]*)
  | (?P<wrong>.)
''', re.VERBOSE | re.DOTALL)

_ESCAPE = re.compile(
    rb'\\(?:([abfnrtv\\?\'"])|([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})'
    rb'|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.?))', re.DOTALL)
_SIMPLE = {b'a': b'\a', b'b': b'\b', b'f': b'\f', b'n': b'\n', b'r': b'\r', b't': b'\t',
           b'v': b'\v'}


def closest(name: str, known: list[str]) -> str:
    """Return the known name most like `name`, whatever its case, or ''."""
    folded = {other.lower(): other for other in reversed(known)}
    found = difflib.get_close_matches(name.lower(), folded, 1, 0.6)
    return folded[found[0]] if found else ''


def place(text: str, at: int) -> tuple[int, int]:
    """Return line and column, both from 1, of an offset into a text."""
    return text.count('\n', 0, at) + 1, at - text.rfind('\n', 0, at)


def tokens(text: str, source: str) -> list[Token]:
    """Split a prototxt into tokens without its blanks and comments; the last one is of kind end."""
    found = []
    start = text.startswith('\ufeff')
    for match in _TOKEN.finditer(text, start):
        kind = match.lastgroup or ''
        if kind == 'blank':
            continue
        token = Token(kind, match.group(), match.start())
        if kind == 'wrong' or kind in ('float', 'int') and _runs_on(text, match.end()):
            raise PrototxtError(_why(text, token), source, *place(text, token.at))
        found.append(token)
    found.append(Token('end', '', len(text)))
    return found


def _runs_on(text: str, end: int) -> bool:
    return text[end:end + 1].isidentifier() or text[end:end + 1] == '.'


def _why(text: str, token: Token) -> str:
    """Explain a character that begins no token, or a number that is none."""
    if token.text in '"\'':
        return (f'the string opened here with {token.text} does not end on its line; '
                f'expected a closing {token.text}')
    if token.kind == 'wrong':
        return f'unexpected character {token.text!r}; expected a field name, a value or a brace'
    word = re.compile(r'[\w.]([\w.]|(?<=[eE])[+-])*').match(text, token.at)
    return (f'{word.group() if word else token.text!r} is not a number; expected digits '
            '(no 0 before them), or quotes for a string')


def unescape(token: str) -> bytes:
    """Return the bytes that a quoted string token stands for; raises ValueError on a bad escape."""
    body = token[1:-1].encode('utf-8', 'surrogateescape')
    return _ESCAPE.sub(_escaped, body) if b'\\' in body else body


def _escaped(match: re.Match) -> bytes:
    simple, octal, hexa, short, long, wrong = match.groups()
    if simple:
        return _SIMPLE.get(simple, simple)
    if octal or hexa:
        value = int(octal, 8) if octal else int(hexa, 16)
        if value < 256:
            return bytes([value])
    elif short or long:
        point = int(short or long, 16)
        if point < 0x110000 and not 0xd800 <= point < 0xe000:
            return chr(point).encode()
    shown = match.group().decode('utf-8', 'replace')
    raise ValueError(f'{shown} is no escape; expected \\n, \\t, \\\', \\", \\\\, '
                     f'\\ooo (octal) or \\xhh, or write \\\\ for a backslash')
