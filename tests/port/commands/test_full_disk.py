"""A full disk while snapshotting: one line, the earlier snapshot stays, nothing half-written."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from port.training.solver import Solver

pytestmark = pytest.mark.skipif(sys.platform != 'linux', reason='limits of Linux')


def whole(folder: Path) -> list[str]:
    """The files of a folder, hidden ones too; each snapshot among them can be restored."""
    for state in folder.glob('*.solverstate*'):
        Solver(folder.parent / 'solver.prototxt').restore(state)
    return sorted(p.name for p in folder.iterdir())


def limit_files(size: int):
    """Return what makes every write beyond `size` bytes of a file fail, in a child process."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize('ending', ['', '.h5'])
def test_file_that_cannot_grow(ending: str, scenes, make_run, tmp_path: Path, spawn, fcn) -> None:
    more = {'snapshot_format': 'HDF5'} if ending else {}
    run = make_run(tmp_path / 'r', scenes, max_iter=2, snapshot=2, **more)
    assert fcn('train', '--solver', run / 'solver.prototxt').exit_code == 0
    first = run / 'snapshot' / f'train_iter_2.solverstate{ending}'
    before = whole(first.parent)
    size = (first.parent / f'train_iter_2.caffemodel{ending}').stat().st_size
    result = spawn('train', '--solver', run / 'solver.prototxt', '--snapshot', first,
                   '--iterations', '9', preexec_fn=limit_files(size // 2))
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and line.startswith('fcn: ')
    assert 'train_iter_4.caffemodel' in line and 'File too large' in line
    assert f'the last snapshot stays: {first}' in line
    assert whole(first.parent) == before


@pytest.fixture
def small_disk(tmp_path: Path):
    """small_disk(kilobytes) -> the mount point of a file system of that size; needs root."""
    point = tmp_path / 'disk'

    def mount(kilobytes: int) -> Path:
        point.mkdir()
        done = os.getuid() == 0 and shutil.which('mount') and subprocess.run(
            ['mount', '-t', 'tmpfs', '-o', f'size={kilobytes}k', 'tmpfs', str(point)],
            capture_output=True).returncode == 0
        if not done:
            pytest.skip('a small file system cannot be mounted here')
        return point
    yield mount
    subprocess.run(['umount', str(point)], capture_output=True)


def test_disk_that_is_full(scenes, make_run, tmp_path: Path, spawn, small_disk) -> None:
    """Room for one snapshot and a half: the log cannot grow either."""
    trial = make_run(tmp_path / 'trial', scenes, max_iter=1)
    solver = Solver(trial / 'solver.prototxt')
    size = sum(Path(p).stat().st_size for p in (solver.snapshot(), solver.state_path))
    disk = small_disk(size * 3 // 2 // 1024)
    run = make_run(disk / 'r', scenes, max_iter=40, snapshot=2)
    result = spawn('train', '--solver', run / 'solver.prototxt')
    assert result.returncode == 1, result.stderr
    (line,) = result.stderr.splitlines()
    assert line.startswith('fcn: ') and 'No space left on device' in line
    assert 'the last snapshot stays: ' in line and 'train_iter_2.solverstate' in line
    names = whole(run / 'snapshot')
    assert {'train_iter_2.caffemodel', 'train_iter_2.solverstate'} <= set(names)
    assert not [name for name in names if name.startswith('.') or 'part' in name]
