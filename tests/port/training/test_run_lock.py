"""The lock of a run: one process at a time, until it ends however it ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from port.training.run_lock import running_alone, training_alone

HOLD = '''
import sys
from pathlib import Path
from netspec.schema.temporary import Making
from port.training.run_lock import running_alone, training_alone
place = Path(sys.argv[2])
with (training_alone if sys.argv[1] == 'train' else running_alone)(place):
    making = Making(Path(sys.argv[3]))
    print('held', flush=True)
    sys.stdin.read(1)
'''


@pytest.fixture
def holder():
    """holder('train' or 'run', place, file in the making) -> a process that holds the run."""
    made: list[subprocess.Popen] = []

    def start(*args: object) -> subprocess.Popen:
        process = subprocess.Popen([sys.executable, '-c', HOLD, *map(str, args)], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        made.append(process)
        assert process.stdout is not None and process.stdout.readline() == 'held\n'
        return process
    yield start
    for process in made:
        process.kill()
        process.communicate()


@pytest.mark.parametrize('kind', ['train', 'run'])
def test_the_second_is_refused_until_the_first_is_killed(tmp_path: Path, holder,
                                                         kind: str) -> None:
    folder = tmp_path / 'run'
    place, alone = (folder / 't', training_alone) if kind == 'train' else (folder, running_alone)
    inside = folder / ('t_iter_5.caffemodel' if kind == 'train' else 'init.caffemodel')
    folder.mkdir()
    process = holder(kind, place, inside)
    beside = inside.with_name(f'.{inside.stem}.part{inside.suffix}')
    with pytest.raises(ValueError, match=rf'by another process \({process.pid}\); wait until'):
        with alone(place):
            pass
    assert beside.exists()
    process.kill()
    process.communicate()
    with alone(place):
        assert not beside.exists()                  # what the killed one left half made
        with pytest.raises(ValueError, match=rf'another process \({os.getpid()}\)'), alone(place):
            pass
    assert os.listdir(folder) == []


def test_other_runs_are_free(tmp_path: Path) -> None:
    with training_alone(tmp_path / 'a'), training_alone(tmp_path / 'b'):
        with running_alone(tmp_path / 'c'):
            assert sorted(os.listdir(tmp_path)) == ['.a.lock', '.b.lock', 'c']


def test_where_nothing_can_be_written_there_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('')
    with training_alone(tmp_path / 'file' / 'a'):
        pass
