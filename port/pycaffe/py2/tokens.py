"""A lexer for Python 2 source that loses nothing: the tokens' texts add up to the source."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKEN = re.compile(r'''
    (?P<comment>\#[^\r\n]*)
  | (?P<string>(?:[uU]|[bB]|)[rR]?(?:
        """(?:\\.|[^\\])*?"""  |  \'\'\'(?:\\.|[^\\])*?\'\'\'
      | "(?:\\.|[^"\\\n])*"    |  '(?:\\.|[^'\\\n])*'))
  | (?P<number>0[xX][\da-fA-F]+[lL]? | 0[bB][01]+[lL]? | 0[oO]?[0-7]+[lL]?(?![\d.eEjJ])
      | (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?[jJlL]?)
  | (?P<name>[^\W\d]\w*)
  | (?P<space>[ \t\f]+ | \\\r?\n)
  | (?P<newline>\r?\n | \r)
  | (?P<op><>|<<=|>>=|\*\*=|//=|[-+*/%&|^=<>!]=|\*\*|//|<<|>>|.)
''', re.VERBOSE | re.DOTALL)
_OPENS, _CLOSES = '([{', ')]}'


@dataclass
class Token:
    """A piece of source; depth is the number of brackets around it."""

    kind: str
    text: str
    depth: int = 0

    @property
    def blank(self) -> bool:
        return self.kind in ('space', 'comment', 'newline')


def lex(source: str) -> list[Token]:
    """Cut source into tokens; brackets have the depth of what is outside them."""
    depth, tokens = 0, []
    for match in _TOKEN.finditer(source):
        token = Token(match.lastgroup or '', match.group())
        is_op = token.kind == 'op'
        if is_op and token.text in _CLOSES:
            depth = max(0, depth - 1)
        token.depth = depth
        if is_op and token.text in _OPENS:
            depth += 1
        tokens.append(token)
    return tokens


def text_of(tokens: Iterable[Token]) -> str:
    """Return the source of tokens."""
    return ''.join(token.text for token in tokens)


def split_at(tokens: list[Token], mark: str, depth: int) -> list[list[Token]]:
    """Cut a stretch of tokens at each `mark` (an operator or a word) of a depth."""
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.text == mark and token.depth == depth and token.kind in ('op', 'name'):
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def trimmed(tokens: list[Token]) -> list[Token]:
    """Return tokens without the blanks at either end."""
    full = [i for i, token in enumerate(tokens) if not token.blank]
    return tokens[full[0]:full[-1] + 1] if full else []
