"""What `port` offers: its names, found when asked for, with help that can be read."""

import pydoc
import subprocess
import sys
from pathlib import Path

import pytest

import port

ROOT = Path(__file__).resolve().parents[2]


def test_every_public_name_is_there_and_explains_itself() -> None:
    assert set(port.__all__) == {'Net', 'Solver', 'predictor', 'score', 'export_onnx', 'summary',
                                 'TRAIN', 'TEST'}
    assert set(port.__all__) <= set(dir(port))
    for name in ('Net', 'Solver', 'predictor', 'score', 'export_onnx', 'summary'):
        text = pydoc.render_doc(getattr(port, name))
        assert getattr(port, name).__doc__.split('\n')[0] in text


def test_the_names_are_those_of_their_modules() -> None:
    from port.engine.net import Net
    from port.training.solver import Solver
    assert (port.Net, port.Solver, port.TRAIN, port.TEST) == (Net, Solver, 0, 1)
    with pytest.raises(AttributeError, match="module 'port' has no attribute 'Sover'"):
        port.Sover     # noqa: B018


def test_a_summary_is_a_table() -> None:
    text = port.summary('voc-fcn32s', (64, 64))
    assert 'upscore' in text and 'receptive field of the scores 404, final stride 32' in text
    from netspec.families.fcn import fcn
    net = port.Net(fcn('voc-fcn32s', 'deploy', width=1 / 32), port.TEST)
    assert 'score_fr' in port.summary(net)


LIGHT = {'--help': [], 'list': [], 'generate': ['voc-fcn8s', '--check'], **{
    f'{path.stem} --help': [] for path in sorted((ROOT / 'port/commands').glob('[a-z]*.py'))}}


def test_help_list_and_generate_import_no_torch() -> None:
    """Nor other libraries that take long: each command is one process of this list."""
    code = '''import sys
from port.cli import main
for args in {runs!r}:
    try:
        main(args, prog_name="fcn")
    except SystemExit as end:
        assert not end.code, (args, end.code)
    heavy = {heavy!r} & set(sys.modules)
    assert not heavy, (args, heavy)
'''
    runs = [[*words.split(), *more] for words, more in LIGHT.items()]
    runs += [['data', 'check', '--help'], ['data', 'colours', '--help'], ['crf', 'search', '-h']]
    heavy = {'torch', 'onnx', 'onnxruntime', 'PIL', 'scipy', 'h5py', 'matplotlib', 'tqdm'}
    done = subprocess.run([sys.executable, '-c', code.format(runs=runs, heavy=heavy)], text=True,
                          capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count('Usage: fcn') == len(runs) - 2


def test_importing_port_imports_nothing() -> None:
    code = 'import sys, port; assert not {"torch", "numpy"} & set(sys.modules)'
    assert subprocess.run([sys.executable, '-c', code], cwd=ROOT).returncode == 0


def test_python_m_port_is_fcn() -> None:
    done = subprocess.run([sys.executable, '-m', 'port', '--version'], capture_output=True,
                          text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.startswith('fcn, version')
