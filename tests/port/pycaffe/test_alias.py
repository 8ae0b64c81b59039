"""port.pycaffe.alias, own and install: `import caffe` is ours, a user's surgery.py stays theirs."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from port.pycaffe import install

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = '''
import {first}
import {second}
import caffe.io as cio, caffe.draw, port.pycaffe
from caffe import layers as L, params as P
from caffe.proto import caffe_pb2
from caffe.pycaffe import Net
from caffe.coord_map import crop
assert caffe is port.pycaffe and cio is port.pycaffe.io is caffe.io and Net is caffe.Net
assert caffe_pb2.NetParameter is port.pycaffe.proto.caffe_pb2.NetParameter
assert surgery.mine() == 5 and not hasattr(surgery, 'transplant')
open('net.prototxt', 'w').write('layer {{ name: "p" type: "Parameter" top: "p" parameter_param '
                                '{{ shape {{ dim: 2 }} }} }}')
net = caffe.Net('net.prototxt', caffe.TEST)
net.save('w.caffemodel')
net.copy_from('w.caffemodel')
net.save_hdf5('w.h5')
net.load_hdf5('w.h5')
try:
    import caffe.nothing
except ImportError as error:
    assert error.name == 'caffe.nothing'
    print('done', caffe.__version__)
'''


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / 'surgery.py').write_text('def mine():\n    return 5\n')
    return tmp_path


def python(folder: Path, *args: str, path: str = str(ROOT)) -> subprocess.CompletedProcess:
    environment = {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}
    return subprocess.run([sys.executable, *args], cwd=folder, env=environment,
                          capture_output=True, text=True, timeout=120)


def test_a_script_that_is_run_finds_caffe_and_its_own_surgery(folder) -> None:
    (folder / 's.py').write_text(SCRIPT.format(first='caffe', second='surgery'))
    done = python(folder, '-m', 'port.cli', 'run', 's.py')
    assert done.stdout == 'done 1.0.0\n', done.stderr
    assert '] Creating Layer p' in done.stderr       # pycaffe logs unless it is told not to


def test_so_does_a_script_where_caffe_is_installed(folder, monkeypatch) -> None:
    monkeypatch.setenv('GLOG_minloglevel', '2')
    (folder / 's.py').write_text(SCRIPT.format(first='surgery', second='caffe'))
    install.install(folder / 'site')
    done = python(folder, 's.py', path=str(folder / 'site'))
    assert done.stdout == 'done 1.0.0\n' and done.stderr == ''


def test_without_a_surgery_of_their_own_ours_stays(tmp_path) -> None:
    (tmp_path / 's.py').write_text('import caffe, surgery\nprint(surgery.upsample_filt(2))\n')
    done = python(tmp_path, '-m', 'port.cli', 'run', 's.py')
    assert done.stdout.split() == ['[[0.25', '0.25]', '[0.25', '0.25]]'], done.stderr


def test_install_and_uninstall(tmp_path) -> None:
    path = install.install(tmp_path / 'site')
    assert install.install(tmp_path / 'site') == path and path.is_file()
    install.uninstall(tmp_path / 'site')
    assert not path.parent.exists()
    with pytest.raises(FileNotFoundError):
        install.uninstall(tmp_path / 'site')


def test_another_caffe_is_left_alone(tmp_path) -> None:
    (tmp_path / 'caffe').mkdir()
    (tmp_path / 'caffe' / '__init__.py').write_text('real = True')
    for act, error in ((install.install, FileExistsError), (install.uninstall,
                                                            FileNotFoundError)):
        with pytest.raises(error):
            act(tmp_path)
    assert (tmp_path / 'caffe' / '__init__.py').read_text() == 'real = True'
