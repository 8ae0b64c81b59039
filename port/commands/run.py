"""fcn run: a pycaffe script, with `import caffe` answered by ours."""

import os
import sys
import traceback
from pathlib import Path

import click

from port.commands._values import FILE


@click.command(context_settings={'allow_interspersed_args': False},
               epilog='Example:  cd voc-fcn32s && PYTHONPATH=.. fcn run --py2 --cpu solve.py 0')
@click.option('--py2', is_flag=True, help='Convert the script, and the modules it imports from '
              'its folder and PYTHONPATH, from Python 2 in memory.')
@click.option('--cpu', is_flag=True, help='Compute on the CPU even where the script says '
              'set_mode_gpu().')
@click.argument('script', type=FILE)
@click.argument('args', nargs=-1, type=click.UNPROCESSED)
def command(py2: bool, cpu: bool, script: Path, args: tuple[str, ...]) -> None:
    """Run SCRIPT [ARGS] as `python SCRIPT` would.

    The script's folder comes first on the path, the folder above it last.
    """
    if not script.is_file():
        raise FileNotFoundError(f'{script}: no such script')
    from port.pycaffe import mode
    before = sys.argv, list(sys.path), list(sys.meta_path), sys.modules['__main__']
    try:
        run(script, args, py2, cpu)
    finally:
        sys.argv, sys.path[:], sys.meta_path[:], sys.modules['__main__'] = before
        mode.cpu_only(False)
        mode.end_log()


def run(script: Path, args: tuple[str, ...], py2: bool, cpu: bool) -> None:
    """Run a script in this process; where it fails, print its traceback and exit with 1."""
    from port.pycaffe import alias, mode
    from port.pycaffe.py2 import Py2Finder, Script
    folder = script.resolve().parent
    sys.argv = [str(script), *args]
    sys.path[:] = [str(folder), *sys.path, str(folder.parent)]
    if py2:
        given = filter(None, os.environ.get('PYTHONPATH', '').split(os.pathsep))
        sys.meta_path.insert(0, Py2Finder([folder, folder.parent, Path.cwd(), *map(Path, given)]))
    alias.answer()
    mode.init_log()
    if cpu:
        mode.cpu_only()
    try:
        Script('__main__', str(script), py2).run()
    except Exception as error:
        sys.stdout.flush()
        trace = error.__traceback__
        while trace is not None and trace.tb_frame.f_code.co_filename != str(script):
            trace = trace.tb_next
        traceback.print_exception(type(error), error, trace)
        if isinstance(error, SyntaxError) and not py2:
            click.echo('If this was written for Python 2: fcn run --py2 …', err=True)
        sys.exit(1)
