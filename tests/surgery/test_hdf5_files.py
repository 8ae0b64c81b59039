"""HDF5 files: full disks, other files behind names, and arrays that the file does not hold."""

import os
import re
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from surgery.hdf5 import read_hdf5, write_hdf5
from surgery.hdf5_files import changed_hdf5, new_hdf5, open_hdf5

h5py = pytest.importorskip('h5py')
WEIGHTS = {'conv': [np.arange(2000, dtype='f').reshape(20, 100), np.ones(20, 'f')]}
linux = pytest.mark.skipif(sys.platform != 'linux', reason='limits of Linux')


def limited(size: int, work: Callable[[], object]) -> str:
    """Do work in a child whose files cannot grow past `size`; return how it ended."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        try:
            work()
            os._exit(0)
        except OSError as error:
            os._exit(10 if str(error).count('not written') == 1 else 11)
        except BaseException:
            os._exit(12)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return {0: 'written', 10: 'refused'}.get(status, f'exit status {status}')


@linux
def test_weights_to_a_full_disk(tmp_path: Path) -> None:
    """At every size: one error, and neither a half file nor a hidden one."""
    path = tmp_path / 'm.caffemodel.h5'
    write_hdf5(path, WEIGHTS)
    whole = path.read_bytes()
    for size in [0, 1, 100, *range(500, len(whole), 1500), len(whole) - 1]:
        path.write_bytes(b'old')
        assert limited(size, lambda: write_hdf5(path, WEIGHTS)) == 'refused', size
        assert path.read_bytes() == b'old' and os.listdir(tmp_path) == [path.name]
    assert limited(len(whole), lambda: write_hdf5(path, WEIGHTS)) == 'written'
    assert path.read_bytes() == whole


def start(path: Path) -> None:
    with new_hdf5(path) as file:
        file.create_dataset('rows', data=np.ones((50, 30)), maxshape=(None, 30))


def grow(path: Path, value: float = 2) -> None:
    with changed_hdf5(path) as file:
        file['rows'].resize(len(file['rows']) + 50, 0)
        file['rows'][-50:] = value


@linux
def test_appending_to_a_full_disk(tmp_path: Path) -> None:
    path = tmp_path / 'out.h5'
    start(path)
    before = path.read_bytes()
    grow(path)
    after = path.read_bytes()
    for size in [len(before), *range(len(before), len(after), 1100), len(after) - 1]:
        path.write_bytes(before)
        assert limited(size, lambda: grow(path)) == 'refused', size
        assert path.read_bytes() == before
    assert limited(len(after), lambda: grow(path)) == 'written'
    assert path.read_bytes() == after


def test_what_is_appended_reads_as_h5py_would_have_written_it(tmp_path: Path) -> None:
    path = tmp_path / 'out.h5'
    start(path)
    for value in range(2, 8):
        grow(path, value)
    with h5py.File(path) as file:
        expected = np.repeat(np.arange(1., 8), 50)[:, None] * np.ones(30)
        np.testing.assert_array_equal(file['rows'], expected)


def refusal(path: Path, name: str = 'x') -> str:
    with pytest.raises(ValueError) as caught, open_hdf5(path) as file:
        file.array(name)
    assert str(caught.value).startswith(f'{path}: ')
    return str(caught.value)


def test_numbers_in_other_files(tmp_path: Path) -> None:
    """External storage, a virtual dataset, an external link, and a soft one to that."""
    path, other = tmp_path / 'a.h5', tmp_path / 'other.h5'
    (tmp_path / 'secret').write_bytes(bytes(range(40)))
    with h5py.File(other, 'w') as file:
        file['x'] = np.ones(10)
    layout = h5py.VirtualLayout((10,), 'f8')
    layout[:] = h5py.VirtualSource(str(other), 'x', (10,))
    with h5py.File(path, 'w') as file:
        file.create_dataset('outside', (10,), 'f4', external=[(tmp_path / 'secret', 0, 40)])
        file.create_virtual_dataset('virtual', layout)
        file['link'] = h5py.ExternalLink(str(other), '/')
        file['soft'] = h5py.SoftLink('/link')
        file['itself'] = h5py.SoftLink('/itself')
    for name in ('outside', 'virtual'):
        assert 'keeps its numbers in other files' in refusal(path, name)
    for name in ('link/x', 'soft/x'):
        assert 'leads into another file' in refusal(path, name)
    assert "no dataset 'itself/x'" in refusal(path, 'itself/x')


def test_soft_links_inside_a_file_are_followed(tmp_path: Path) -> None:
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file['g/h/x'] = np.arange(3)
        file['g/near'], file['far'] = h5py.SoftLink('h'), h5py.SoftLink('/g/near/x')
    with open_hdf5(tmp_path / 'a.h5') as file:
        for name in ('g/h/x', 'g/near/x', 'far'):
            assert file.array(name).tolist() == [0, 1, 2]


@pytest.mark.parametrize('options', [{}, {'chunks': (1000,)}, {'chunks': (1000,), 'compression': 4},
                                     {'fillvalue': 7.}])
def test_sizes_that_the_file_does_not_hold(tmp_path: Path, options: dict) -> None:
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file.create_dataset('x', (40 * 10 ** 9,), 'f4', **options)
    assert 'asks for 160,000,000,000 bytes, the file holds 0 of it' in refusal(tmp_path / 'a.h5')


def test_one_array_under_many_names(tmp_path: Path) -> None:
    """Hard links: each is held by the file, a thousand of them are not."""
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file['data/conv/0'] = np.ones(100000, 'f')
        for i in range(1, 900):
            file[f'data/conv/{i}'] = file['data/conv/0']
    with pytest.raises(ValueError, match='asks for 400,000 bytes'):
        names = {str(i): None for i in range(900)}
        with open_hdf5(tmp_path / 'a.h5') as file:
            for name in names:
                file.array(f'data/conv/{name}')


def test_what_is_well_packed_is_read(tmp_path: Path) -> None:
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file.create_dataset('data/up/0', data=np.zeros((1000, 1000), 'f'), compression='gzip')
    assert read_hdf5(tmp_path / 'a.h5')['up'][0].shape == (1000, 1000)


@pytest.mark.parametrize('index', ['300000000', '1000', '9' * 5000, '\u0663'])
def test_an_index_out_of_all_proportion(tmp_path: Path, index: str) -> None:
    with h5py.File(tmp_path / 'a.h5', 'w') as file:
        file['data/conv1/0'] = np.ones(3, 'f')
        file[f'data/conv1/{index}'] = np.ones(3, 'f')
    if index.isascii():
        with pytest.raises(ValueError, match=re.escape(f'no layer has {index} blobs')):
            read_hdf5(tmp_path / 'a.h5')
    else:                                          # no digit of Caffe's
        assert len(read_hdf5(tmp_path / 'a.h5')['conv1']) == 1
