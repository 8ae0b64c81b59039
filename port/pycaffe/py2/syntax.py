"""Python 2 syntax to Python 3's, token by token; every line keeps its number.

print and exec statements, `except E, e`, `raise E, text`, backquotes, <>, 0777, 10L, ur'',
tuples as parameters of a lambda, tabs in the indentation.
"""

import re

from port.pycaffe.py2.tokens import Token, lex, split_at, text_of, trimmed

_FUTURE_PRINT = re.compile(r'^\s*from\s+__future__\s+import\s[^#\n]*\bprint_function\b', re.M)
_KEYWORDS = {'sep', 'end', 'file', 'flush'}


def modernise(source: str) -> str:
    """Return the source with Python 3's syntax where Python 2's differs."""
    tokens = lex(source)
    _spell(tokens)
    skip = {'print'} if _FUTURE_PRINT.search(source) else set()
    out: list[str] = []
    at, fresh = 0, True                        # fresh: a statement may begin here
    while at < len(tokens):
        token = tokens[at]
        rewrite = _STATEMENTS.get(token.text) if token.kind == 'name' and fresh else None
        if rewrite is not None and token.text not in skip:
            end = _end(tokens, at, token.text == 'except')
            out.append(rewrite(tokens[at + 1:end]))
            at = end
            continue
        out.append(token.text)
        if token.kind == 'newline' or (token.text in (';', ':') and token.kind == 'op'):
            fresh = token.depth == 0
        elif token.kind != 'space':
            fresh = False
        at += 1
    return _lambdas(''.join(out))


def _spell(tokens: list[Token]) -> None:
    """Respell single tokens: numbers, strings, operators, backquotes and tabs that indent."""
    quoted = False
    for i, token in enumerate(tokens):
        if token.kind == 'number':
            token.text = _number(token.text)
        elif token.kind == 'string':
            token.text = re.sub(r'^[uU](?=[rR])', '', token.text)
        elif token.text == '<>':
            token.text = '!='
        elif token.text == '`' and token.kind == 'op':
            quoted = not quoted
            token.text = 'repr(' if quoted else ')'
        elif token.kind == 'space' and not token.depth and (
                i == 0 or tokens[i - 1].kind == 'newline'):
            token.text = token.text.expandtabs(8)


def _number(text: str) -> str:
    text = text.rstrip('lL')
    return f'0o{text[1:]}' if re.fullmatch(r'0[0-7]+', text) else text


def _end(tokens: list[Token], start: int, clause: bool) -> int:
    """Return where the statement at `start` ends: its newline, `;`, comment, or clause's colon."""
    for i in range(start + 1, len(tokens)):
        token = tokens[i]
        if token.depth == tokens[start].depth and (
                token.kind in ('newline', 'comment') or (token.kind == 'op' and token.text == ';')
                or (clause and token.kind == 'op' and token.text == ':')):
            return i
    return len(tokens)


def _padding(tokens: list[Token]) -> str:
    """Return the blanks at the end of a stretch, which stay outside what is put around it."""
    return text_of(tokens)[len(text_of(tokens).rstrip(' \t')):]


def _bracketed(tokens: list[Token]) -> bool:
    """Whether a stretch is one pair of brackets with all else inside."""
    return [t.text for t in tokens if t.depth == tokens[0].depth] == ['(', ')']


def _is_call(body: list[Token]) -> bool:
    """Whether what follows print is an argument list of Python 3: print(…, end='')."""
    if not _bracketed(body):
        return False
    inner = body[1:-1]
    named = any(t.text in _KEYWORDS and t.depth == body[0].depth + 1
                and text_of(inner[i + 1:]).lstrip().startswith('=')
                and not text_of(inner[i + 1:]).lstrip().startswith('==')
                for i, t in enumerate(inner))
    return named or not trimmed(inner)


def _print(body: list[Token]) -> str:
    tail, body = _padding(body), trimmed(body)
    if _is_call(body):
        return f'print{text_of(body)}{tail}'
    depth = body[0].depth if body else 0
    parts = [text_of(part).strip() for part in split_at(body, ',', depth)]
    options = []
    if body and body[0].text == '>>':
        options.append(f'file={parts.pop(0)[2:].strip()}')
    if len(parts) > 1 and not parts[-1]:
        parts.pop()
        options.append("end=' '")
    return f'print({", ".join([p for p in parts if p] + options)}){tail}'


def _exec(body: list[Token]) -> str:
    tail, body = _padding(body), trimmed(body)
    if not body or _bracketed(body):
        return f'exec{text_of(body)}{tail}'
    code, *places = split_at(body, 'in', body[0].depth)
    parts = [text_of(code).strip(), *(text_of(place).strip() for place in places)]
    return f'exec({", ".join(parts)}){tail}'


def _except(body: list[Token]) -> str:
    depth = next((t.depth for t in body if not t.blank), 0)
    parts = split_at(body, ',', depth)
    if len(parts) != 2:
        return f'except{text_of(body)}'
    return f'except{text_of(parts[0]).rstrip()} as{text_of(parts[1])}'


def _raise(body: list[Token]) -> str:
    tail, inner = _padding(body), trimmed(body)
    parts = [trimmed(p) for p in split_at(inner, ',', inner[0].depth)] if inner else []
    if len(parts) < 2:
        return f'raise{text_of(body)}'
    value = text_of(parts[1])
    value = '()' if value == 'None' else value if _bracketed(parts[1]) else f'({value})'
    trace = f'.with_traceback({text_of(parts[2])})' if len(parts) > 2 else ''
    return f'raise {text_of(parts[0])}{value}{trace}{tail}'


_STATEMENTS = {'print': _print, 'exec': _exec, 'except': _except, 'raise': _raise}


# -- lambda (a, b): … ------------------------------------------------------------------------------

def _lambdas(source: str) -> str:
    """Turn `lambda x, (a, b): e` into `lambda x, _0: (lambda a, b: e)(*_0)`."""
    tokens = lex(source)
    for i in range(len(tokens) - 1, -1, -1):
        if tokens[i].kind == 'name' and tokens[i].text == 'lambda':
            tokens[i:] = _one_lambda(tokens[i:])
    return text_of(tokens)


def _one_lambda(tokens: list[Token]) -> list[Token]:
    depth = tokens[0].depth
    colon = next((i for i, t in enumerate(tokens) if t.text == ':' and t.depth == depth), None)
    if colon is None:
        return tokens
    params = [text_of(part).strip() for part in split_at(tokens[1:colon], ',', depth)]
    tuples = [p for p in params if p.startswith('(') and p.endswith(')')]
    if not tuples:
        return tokens
    end = next((i for i, t in enumerate(tokens) if i > colon and (
        t.depth < depth or (t.depth == depth and (t.kind == 'newline' or t.text in ',)]}')))),
        len(tokens))
    body = text_of(tokens[colon + 1:end]).strip()
    for k, names in enumerate(tuples):
        params[params.index(names)] = f'_{k}'
        body = f'(lambda {names[1:-1]}: {body})(*_{k})'
    new = lex(f'lambda {", ".join(params)}: {body}')
    for token in new:
        token.depth += depth
    return [*new, *tokens[end:]]
