"""`fcn`: one sub-command per file of port/commands. Errors are one line on stderr.

Exit status: 0 done, 1 failed, 2 wrong usage. --debug shows the traceback.
"""

import importlib
import pkgutil
import sys

import click

from port import commands

FAILURES = (ValueError, KeyError, OSError, RuntimeError, ArithmeticError, TypeError)


class Verbs(click.Group):
    """Sub-commands by the names of the modules in port/commands, imported when asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(m.name for m in pkgutil.iter_modules(commands.__path__)
                      if not m.name.startswith('_'))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in self.list_commands(ctx):
            return None
        return importlib.import_module(f'{commands.__name__}.{name}').command

    def invoke(self, ctx: click.Context):
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except click.ClickException:
            raise
        except FAILURES as error:
            if ctx.params.get('debug'):
                raise
            click.echo(f'fcn: {one_line(error)}', err=True)
            sys.exit(1)


def one_line(error: BaseException) -> str:
    """Return an error's text on one line, without the quotes that KeyError adds."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    notes = ''.join(f' ({note})' for note in getattr(error, '__notes__', ()))
    return ' '.join(str(text).split()) + notes or type(error).__name__


@click.group(cls=Verbs, context_settings={'help_option_names': ['-h', '--help']},
             epilog='Example:  fcn generate voc-fcn8s --out nets/voc-fcn8s')
@click.option('--debug', is_flag=True, help='Show the traceback of an error.')
@click.version_option(package_name='fcn-caffe')
def main(debug: bool) -> None:
    """The original fully convolutional nets: generate, train, score, run and export them."""


if __name__ == '__main__':
    main()
