"""`python -m port.pycaffe.install`: make `import caffe` ours in this Python environment.

It writes one small package, caffe/__init__.py, beside the other installed ones; --uninstall
takes it away.
"""

import sysconfig
from pathlib import Path

import click

from netspec.schema import write_atomic

ROOT = Path(__file__).resolve().parents[2]
MARK = 'caffe, answered by port.pycaffe'
SHIM = f'''"""{MARK} (written by python -m port.pycaffe.install)."""

try:
    import port.pycaffe.alias
except ModuleNotFoundError:
    import sys
    sys.path.append({str(ROOT)!r})

from port.pycaffe import alias, mode

alias.answer()
mode.init_log()
'''


def is_shim(path: Path) -> bool:
    """Whether a file is one that we wrote."""
    return path.is_file() and MARK in path.read_text(errors='replace')


def install(folder: Path) -> Path:
    """Write the package into a folder; FileExistsError where another caffe lies there."""
    path = folder / 'caffe' / '__init__.py'
    if path.parent.exists() and not is_shim(path):
        raise FileExistsError(f'{path.parent} exists and is not ours; take it away first, or use '
                              '`fcn run`, which needs no installation')
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, [SHIM.encode()])
    return path


def uninstall(folder: Path) -> Path:
    """Take the package away; FileNotFoundError where there is none of ours."""
    path = folder / 'caffe' / '__init__.py'
    if not is_shim(path):
        raise FileNotFoundError(f'{path}: none of ours')
    for file in [path, *path.parent.glob('__pycache__/*')]:
        file.unlink()
    for place in [path.parent / '__pycache__', path.parent]:
        if place.is_dir():
            place.rmdir()
    return path


@click.command()
@click.option('--uninstall', 'away', is_flag=True, help='Take it away again.')
@click.option('--target', type=click.Path(path_type=Path, file_okay=False),
              default=sysconfig.get_path('purelib'), show_default=True, help='Where packages lie.')
def main(away: bool, target: Path) -> None:
    """Let `import caffe` mean port.pycaffe in this environment."""
    try:
        path = uninstall(target) if away else install(target)
    except OSError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f'{"removed" if away else "wrote"} {path}')


if __name__ == '__main__':
    main()
