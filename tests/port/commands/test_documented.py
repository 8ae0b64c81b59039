"""Every `fcn` line of the pages, help texts and weights' cards is one that the commands take."""

import re
import shlex
from pathlib import Path

import click
import pytest

from port.cli import main

ROOT = Path(__file__).resolve().parents[3]
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').glob('*.md')),
         *sorted((ROOT / 'weights').rglob('*.md'))]


def lines(text: str) -> list[str]:
    """The commands of a page: whole lines, and what stands between backquotes."""
    text = text.replace('\\\n', ' ')
    found = re.findall(r'^ *(fcn [a-z].*?)(?: +#.*)?$', text, re.M)
    return found + re.findall(r'`(fcn [a-z][^`\n]*)`', text)


def help_pages() -> dict[str, str]:
    """The help text of each command, and of the commands within."""
    context = click.Context(main, info_name='fcn')
    pages = {}
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        inner = command.commands.values() if isinstance(command, click.Group) else ()
        for one in (command, *inner):
            pages[f'{name} {one.name}'] = one.get_help(click.Context(one, context, one.name))
    return pages


def wrong(line: str) -> list[str]:
    """Return what is no command and no option of one, or an old spelling."""
    words = [w for w in shlex.split(line) if w not in ('…', '\\')]
    command: click.Command = main
    rest = words[1:]
    while isinstance(command, click.Group):
        found = command.get_command(click.Context(command), rest[0]) if rest else None
        if found is None:
            return [] if command is not main else [f'no command: {line}']
        command, rest = found, rest[1:]
    options = {name for param in command.params if isinstance(param, click.Option)
               and not param.hidden for name in (*param.opts, *param.secondary_opts)}
    if command.ignore_unknown_options or command.name in ('caffe', 'run'):
        return []
    return [f'{word}: {line}' for word in rest if word.startswith('--')
            and word.split('=')[0] not in {*options, '--help'}]


@pytest.mark.parametrize('page', PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_pages(page: Path) -> None:
    assert not [fault for line in lines(page.read_text()) for fault in wrong(line)]


def test_help_texts() -> None:
    pages = help_pages()
    assert len(pages) > 20 and all('Example:  ' in text for text in pages.values())
    for text in pages.values():
        example = ' '.join(text[text.index('Example:  ') + 10:].split())
        quoted = re.findall(r'`(fcn [a-z][^`]*)`', ' '.join(text.split()))
        examples = [part for part in example.split(' && ') if part.startswith('fcn')]
        assert not [fault for line in [*quoted, *examples] for fault in wrong(line)]


def test_what_is_wrong_is_found() -> None:
    assert wrong('fcn score --model val.prototxt') and wrong('fcn scoer x')
    assert len(lines('```\nfcn score a\\\n  --data b  # c\n```\nsee `fcn list --json`')) == 2
