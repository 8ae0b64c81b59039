"""Files in the making: what a killed process left goes, what a live one writes stays."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netspec.schema.files import replacing, workroom, write_atomic
from netspec.schema.temporary import Making, sweep

KILLED = '''
import os, signal, sys
from pathlib import Path
from netspec.schema.temporary import Making
with Making(Path(sys.argv[1]), folder=len(sys.argv) > 2) as place:
    (place / 'inside' if place.is_dir() else place).write_bytes(b'half of a file')
    print(place, flush=True)
    sys.stdin.read(1)
    os.kill(os.getpid(), signal.SIGKILL)
'''


class Other:
    """A process that makes a file until it is killed."""

    def __init__(self, *args: object) -> None:
        self.process = subprocess.Popen([sys.executable, '-c', KILLED, *map(str, args)], text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.place = Path(self.process.stdout.readline().strip())

    def kill(self) -> None:
        self.process.communicate('x')


@pytest.fixture
def others():
    made: list[Other] = []
    yield lambda *args: made.append(Other(*args)) or made[-1]
    for other in made:
        other.process.kill()
        other.process.communicate()


@pytest.mark.parametrize('folder', [(), ('folder',)])
def test_what_a_killed_process_left(tmp_path: Path, others, folder: tuple) -> None:
    """A sweep leaves it while the process lives, and removes it afterwards."""
    other = others(tmp_path / 'a.bin', *folder)
    assert other.place == tmp_path / '.a.part.bin'
    assert sweep(tmp_path) == [] and other.place.exists()
    other.kill()
    assert other.place.exists() and sweep(tmp_path, 'b') == []
    assert sweep(tmp_path, 'a') == [other.place] and os.listdir(tmp_path) == []


def test_the_next_maker_takes_the_place_of_a_killed_one(tmp_path: Path, others) -> None:
    others(tmp_path / 'a.bin').kill()
    others(tmp_path / 'b.bin', 'folder').kill()
    write_atomic(tmp_path / 'a.bin', [b'whole'])
    assert (tmp_path / 'a.bin').read_bytes() == b'whole'
    with workroom(tmp_path / 'b.bin') as room:
        assert room == tmp_path / '.b.part.bin' and os.listdir(room) == []
    assert os.listdir(tmp_path) == ['a.bin']


def test_two_live_makers_of_one_file(tmp_path: Path, others) -> None:
    other = others(tmp_path / 'a.bin')
    with replacing(tmp_path / 'a.bin') as mine:
        assert mine != other.place and sweep(tmp_path) == []
        mine.write_bytes(b'mine')
    assert (tmp_path / 'a.bin').read_bytes() == b'mine' and other.place.exists()


def test_what_is_not_ours_to_take(tmp_path: Path) -> None:
    """A link that waits at the name to be followed, a folder, somebody's own hidden file."""
    (tmp_path / 'mine').write_text('precious')
    (tmp_path / '.a.part.bin').symlink_to(tmp_path / 'mine')
    (tmp_path / '.b.part.bin').mkdir()
    (tmp_path / '.partner').write_text('precious')
    for name in ('a.bin', 'b.bin'):
        write_atomic(tmp_path / name, [b'new'])
    assert sweep(tmp_path) == [tmp_path / '.b.part.bin']
    assert (tmp_path / 'mine').read_text() == (tmp_path / '.partner').read_text() == 'precious'
    assert (tmp_path / '.a.part.bin').is_symlink()


def test_an_error_removes_what_was_begun(tmp_path: Path) -> None:
    for folder in (False, True):
        with pytest.raises(RuntimeError), Making(tmp_path / 'a', folder) as place:
            assert place.is_dir() == folder
            raise RuntimeError
    assert os.listdir(tmp_path) == []
