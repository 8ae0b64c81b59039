"""`fcn`: one sub-command per file of port/commands. Errors are one line on stderr.

Exit status: 0 done, 1 failed, 2 wrong usage, 130 interrupted. --debug shows the traceback.
"""

import importlib
import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

import click

from port import commands
from port.commands._screen import screenful

FAILURES = (ValueError, KeyError, OSError, RuntimeError, ArithmeticError, TypeError, ImportError,
            MemoryError)
INTERRUPTED = 130
# What `fcn --help` lists, in the order in which people ask.
ASKED = {'Label pictures': ('infer', 'serve'),
         'Train on your own images': ('new', 'train', 'score', 'data'),
         'See what is here and that it works': ('demo', 'list', 'weights'),
         "The papers' nets and experiments": ('generate', 'surgery', 'reproduce', 'ablate', 'bound',
                                              'crf'),
         'Other programs': ('export', 'convert', 'compare'),
         'Look at a net': ('summary', 'draw', 'time', 'pad', 'convolutionalize', 'dense'),
         'As with Caffe': ('run', 'caffe', 'test')}


class Verbs(click.Group):
    """Sub-commands by the names of the modules in port/commands, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        folder = Path(commands.__file__).parent      # OSError where it cannot be listed
        return sorted(p.stem for p in folder.iterdir()
                      if p.suffix == '.py' and not p.name.startswith('_'))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the first sentence of each command whole, by what it is for."""
        for what, names in ASKED.items():
            found = [(name, self.get_command(ctx, name)) for name in names]
            with formatter.section(what):
                formatter.write_dl([(name, one.get_short_help_str(200)) for name, one in found
                                    if one])

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        return importlib.import_module(f'{commands.__name__}.{name}').command

    def resolve_command(self, ctx: click.Context, args: list[str]
                        ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            close = get_close_matches(args[0], self.list_commands(ctx), 1)
            hint = f'did you mean {close[0]!r}?' if close else (
                f'expected one of {", ".join(self.list_commands(ctx))}')
            raise click.UsageError(f'{error.message.rstrip(".")}; {hint}', ctx) from None

    def main(self, *args: Any, standalone_mode: bool = True, **kwargs: Any) -> Any:
        run: Callable[..., Any] = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **kwargs)
        try:
            status = run(*args, standalone_mode=False, **kwargs)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.UsageError as error:
            fail(no_handles() or f'{error.format_message()}{where_to_look(error.ctx)}',
                 error.exit_code)
        except click.ClickException as error:
            fail(error.format_message(), error.exit_code)
        except click.Abort:
            fail('interrupted', INTERRUPTED)
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (BrokenPipeError, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt as stop:
            hush(stop, INTERRUPTED)
            fail(str(stop) or 'interrupted', INTERRUPTED)
        except FAILURES as error:
            if ctx.params.get('debug'):
                raise
            hush(error, 1)
            fail(no_handles() or one_line(error), 1)


def fail(text: str, status: int) -> NoReturn:
    """Say on one line of stderr what went wrong, and exit."""
    click.echo(f'fcn: {screenful(" ".join(text.split()))}', err=True)
    sys.exit(status)


def hush(error: BaseException, status: int) -> None:
    """Exit in silence where another process says what went wrong (port.distributed)."""
    if getattr(error, 'said', False):
        sys.exit(status)


def no_handles() -> str:
    """Say so where this process can open no more files: Python blames whatever it looked for."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return f'{error.strerror}: this shell allows no more (ulimit -n), or other programs hold ' \
               'too many'
    return ''


def where_to_look(ctx: click.Context | None) -> str:
    """Return the advice to read the help of the command that was used wrongly."""
    return f' (see {ctx.command_path} --help)' if ctx else ''


def one_line(error: BaseException) -> str:
    """Return an error's text on one line, without the quotes and numbers that Python adds."""
    text = str(error)
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
    elif isinstance(error, OSError) and error.strerror:
        text = f'{error.filename}: {error.strerror}' if error.filename else error.strerror
    notes = ''.join(f' ({note})' for note in getattr(error, '__notes__', ()))
    return ' '.join((text + notes).split()) or type(error).__name__


def version() -> str:
    """Return the version that is installed."""
    import importlib.metadata
    try:
        return importlib.metadata.version('fcn-caffe')
    except importlib.metadata.PackageNotFoundError:
        return 'unknown: a checkout that is not installed'


def say_version(ctx: click.Context, param: click.Parameter, asked: bool) -> None:
    """Print the version where it is asked for; what looks it up takes a while to import."""
    if asked and not ctx.resilient_parsing:
        click.echo(f'fcn, version {version()}')
        ctx.exit()


@click.group(cls=Verbs, context_settings={'help_option_names': ['-h', '--help']},
             epilog='Example:  fcn infer camvid-fcn4s-squeezenet street.jpg --out labels')
@click.option('--debug', is_flag=True, help='Show the traceback of an error.')
@click.option('--version', is_flag=True, expose_value=False, is_eager=True, callback=say_version,
              help='Show the version and exit.')
def main(debug: bool) -> None:
    """The original fully convolutional nets: generate, train, score, run and export them."""


if __name__ == '__main__':
    main()
