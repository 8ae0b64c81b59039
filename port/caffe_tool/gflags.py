"""Command lines as gflags takes them: -flag value, --flag=value, -switch, -noswitch, --."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

TRUE, FALSE = ('true', 't', '1', 'yes', 'y'), ('false', 'f', '0', 'no', 'n')
Value = str | int | bool


def parse(args: Sequence[str], flags: Mapping[str, Value]) -> tuple[dict[str, Value], list[str]]:
    """Return the flags' values, defaults where absent, and the arguments that are no flags.

    flags: name to default; the default's type is the flag's. Raises ValueError.
    """
    values, rest = dict(flags), list(args)
    others: list[str] = []
    while rest:
        word = rest.pop(0)
        if word == '--':
            return values, others + rest
        if not word.startswith('-') or word == '-':
            others.append(word)
            continue
        name, equals, text = word.lstrip('-').partition('=')
        name = name.replace('-', '_')
        if name not in flags and isinstance(flags.get(name.removeprefix('no')), bool):
            values[name.removeprefix('no')] = False
            continue
        if name not in flags:
            close = get_close_matches(name, flags, 1)
            raise ValueError(f"unknown command line flag '{name}'"
                             + (f"; did you mean '-{close[0]}'?" if close else ''))
        if not equals and not isinstance(flags[name], bool):
            if not rest:
                raise ValueError(f"flag '-{name}' is missing its argument")
            text = rest.pop(0)
        values[name] = _value(name, text if equals or text else 'true', flags[name])
    return values, others


def _value(name: str, text: str, like: Value) -> Value:
    if isinstance(like, bool):
        if text.lower() in TRUE + FALSE:
            return text.lower() in TRUE
        raise ValueError(f"illegal value '{text}' specified for bool flag '{name}'")
    if isinstance(like, int):
        try:
            return int(text, 0)
        except ValueError:
            raise ValueError(f"illegal value '{text}' specified for int32 flag "
                             f"'{name}'") from None
    return text
