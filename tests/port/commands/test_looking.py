"""Commands that only look at a net run no code of its author's, and let it write no file."""

import logging
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from port.cli import main
from port.engine.net import TEST, Net
from port.engine.net_policy import POLICY, NotAllowed, looking_only

NET = '''
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: [1, 3, 8, 8] } } }
layer { name: "mine" type: "Python" bottom: "data" top: "score"
        python_param { module: "intruder" layer: "Copy" } }
'''
MODULE = '''
import pathlib, caffe
pathlib.Path({mark!r}).write_text('was here')

class Copy(caffe.Layer):
    def setup(self, bottom, top): pass
    def reshape(self, bottom, top):
        top[0].reshape(*bottom[0].data.shape)
    def forward(self, bottom, top):
        top[0].data[...] = bottom[0].data
'''
LOOKS = {
    'summary': ['summary', 'net.prototxt'],
    'draw': ['draw', 'net.prototxt', '--out', 'net.svg'],
    'time': ['time', 'net.prototxt', '--phase', 'test', '--iterations', '1'],
    'infer': ['infer', 'net.prototxt', 'a.png', '--mean', '1,2,3', '--weights', 'w.npz',
              '--out', 'labels'],
    'export': ['export', 'net.prototxt', '--random-weights',
               '--out', 'n.onnx'],
    'compare': ['compare', 'net.prototxt:w.npz', 'net.prototxt:w.npz', '--images', 'a.png']}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a net, its module on the path, and a picture; code that runs leaves a mark."""
    (tmp_path / 'net.prototxt').write_text(NET)
    (tmp_path / 'intruder.py').write_text(MODULE.format(mark=str(tmp_path / 'mark')))
    Image.new('RGB', (8, 8)).save(tmp_path / 'a.png')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__('sys').modules, 'intruder', raising=False)
    return tmp_path


def invoke(*args: str) -> Result:
    return CliRunner().invoke(main, args)


@pytest.mark.parametrize('look', LOOKS)
def test_no_code_is_run_unasked(folder: Path, look: str) -> None:
    done = invoke(*LOOKS[look])
    assert not (folder / 'mark').exists()
    if done.exit_code:
        assert '--allow-python intruder' in done.output and done.output.count('\n') == 1
    else:
        assert look in ('summary', 'draw')


def test_what_is_allowed_is_run(folder: Path) -> None:
    done = invoke(*LOOKS['time'], '--allow-python', 'intruder')
    assert done.exit_code == 0, done.output
    assert (folder / 'mark').exists() and POLICY.modules is None


def test_what_comes_along_needs_no_leave_and_comes_first(folder: Path) -> None:
    """Nobody's voc_layers.py takes the place of ours while a net is looked at."""
    (folder / 'voc_layers.py').write_text(MODULE.format(mark=str(folder / 'mark')))
    text = NET.replace('intruder', 'voc_layers').replace('Copy', 'VOCSegDataLayer')
    (folder / 'net.prototxt').write_text(text)
    done = invoke(*LOOKS['time'])
    assert not (folder / 'mark').exists() and 'VOCSegDataLayer' in done.output


def test_a_net_that_is_run_says_what_it_imports(folder: Path,
                                                caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, 'port.python_layer'):
        Net(folder / 'net.prototxt', TEST)
    assert (folder / 'mark').exists()
    assert f'Python layer intruder.Copy of {folder / "intruder.py"}' in caplog.text


@pytest.mark.parametrize('layer', [
    'type: "HDF5Output" bottom: "data" bottom: "data" hdf5_output_param { file_name: "mark" }',
    'type: "MatWrite" bottom: "data" mat_write_param { prefix: "mark" }'])
def test_looking_writes_no_file(folder: Path, layer: str) -> None:
    head = NET.split('\nlayer { name: "mine"')[0]
    (folder / 'net.prototxt').write_text(f'{head} layer {{ name: "out" {layer} }}')
    done = invoke(*LOOKS['time'])
    assert done.exit_code == 1 and "writes the file 'mark" in done.output
    assert not list(folder.glob('mark*'))


def test_the_block_ends_with_what_was_before() -> None:
    with looking_only(['one']):
        POLICY.check_module('one')
        with pytest.raises(ZeroDivisionError), looking_only():
            with pytest.raises(NotAllowed):
                POLICY.check_module('one')
            raise ZeroDivisionError
        POLICY.check_module('one')
    POLICY.check_module('any')
