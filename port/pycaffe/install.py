"""`python -m port.pycaffe.install`: make `import caffe` ours in this Python environment.

It writes one small package, caffe/__init__.py, beside the other installed ones; --uninstall
takes it away.
"""

import sysconfig
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

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


def main(args: Sequence[str] | None = None) -> None:
    """Let `import caffe` mean port.pycaffe in this environment; exits with 1 where it cannot."""
    parser = ArgumentParser(prog='python -m port.pycaffe.install', description=(
        'Let `import caffe` mean port.pycaffe in this Python environment.'))
    parser.add_argument('--uninstall', action='store_true', help='take it away again')
    parser.add_argument('--target', type=Path, default=Path(sysconfig.get_path('purelib')),
                        help='where packages lie (default: %(default)s)')
    given = parser.parse_args(args)
    try:
        path = (uninstall if given.uninstall else install)(given.target)
    except OSError as error:
        parser.exit(1, f'{parser.prog}: {error}\n')
    print('removed' if given.uninstall else 'wrote', path)


if __name__ == '__main__':
    main()
