"""`${NAME}` in net and solver files, as DeepLab's authors left them for sed to fill (sub.sed).

`num_output: ${NUM_LABELS}` is no valid text of protobuf's, so they are filled before it is parsed.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from netspec.schema.lexer import PrototxtError, place

_PLACEHOLDER = re.compile(r'\$\{(\w+)\}')
# What may hide a '#' that begins no comment, and the comments, where nothing needs to be filled.
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\\n]|\\.)*"|\'(?:[^\'\\\n]|\\.)*\'|(#[^\n]*)')
_values: ContextVar[dict[str, str]] = ContextVar('placeholders')


@contextmanager
def placeholders(values: Mapping[str, str]) -> Iterator[None]:
    """Fill the placeholders of every net and solver read inside, a solver's nets among them."""
    token = _values.set({**_values.get({}), **values})
    try:
        yield
    finally:
        _values.reset(token)


def fill(text: str, source: str, values: Mapping[str, str] | None = None) -> str:
    """Return a prototxt's text with its placeholders filled; PrototxtError names those left."""
    if '${' not in text:
        return text
    known = {**_values.get({}), **(values or {})}
    filled = _PLACEHOLDER.sub(lambda found: str(known.get(found[1], found[0])), text)
    left: dict[str, int] = {}  # name: where it stands first
    for found in _PLACEHOLDER.finditer(_without_comments(filled)):
        left.setdefault(found[1], found.start())
    if left:
        where = {name: place(filled, at) for name, at in left.items()}
        what = ', '.join(f'${{{name}}} (line {line})' for name, (line, _) in where.items())
        options = ' '.join(f'--define {name}=VALUE' for name in left)
        raise PrototxtError(f'not filled: {what}; expected a value for each: {options}', source,
                            *next(iter(where.values())))
    return filled


def _without_comments(text: str) -> str:
    """Blank out the comments; every other character keeps its place."""
    return _STRING_OR_COMMENT.sub(lambda found: ' ' * len(found[0]) if found[1] else found[0], text)
