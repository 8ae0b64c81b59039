"""What the campaigns once found, and a sample of each: the long runs are `make crash`, `make fuzz`
and `make sanitize`.
"""

import importlib
import random
import shutil
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.filterwarnings('ignore')      # of Pillow, about damaged pictures
FINDS = sorted((HERE / 'golden' / 'fuzz').iterdir())


@pytest.fixture
def campaign(monkeypatch: pytest.MonkeyPatch):
    """campaign('fuzz') -> the script of that name, which the others lie beside."""
    monkeypatch.syspath_prepend(HERE / 'campaigns')
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    yield importlib.import_module
    for name in ('crash', 'fuzz', 'mutants', 'readers', 'sanitize'):
        sys.modules.pop(name, None)


@pytest.mark.parametrize('find', FINDS, ids=lambda path: path.name)
def test_what_was_found(find: Path, campaign, tmp_path: Path,
                        monkeypatch: pytest.MonkeyPatch) -> None:
    """Every way of reading it, with several random numbers, refuses it or not, and no more."""
    readers = campaign('readers')
    monkeypatch.setattr('port.engine.memory.machine_memory', lambda: readers.NET_BOUND)
    name, ways = readers.READERS[find.name.split('-')[0]]
    path = Path(shutil.copy(find, tmp_path / name))
    for way in {*ways}:
        for seed in range(3):
            try:
                way(path, random.Random(seed))
            except Exception as error:
                assert not readers.complaint(error), error


@pytest.mark.parametrize('kind', ['net', 'solver', 'caffemodel', 'hdf5', 'torch', 'npz',
                                  'safetensors', 'state', 'mat', 'picture', 'list', 'binaryproto'])
def test_a_sample_of_mutants(kind: str, campaign, tmp_path: Path,
                             monkeypatch: pytest.MonkeyPatch) -> None:
    fuzz, readers = campaign('fuzz'), campaign('readers')
    monkeypatch.setattr('port.engine.memory.machine_memory', lambda: readers.NET_BOUND)
    for number in range(10):
        fault, text = fuzz.one(kind, number, tmp_path)
        assert not fault, text


def test_nets_are_changed_so_that_most_are_read(campaign) -> None:
    """More than half pass the parser: the faults lie behind it."""
    from netspec.schema import parse_net
    mutants, parsed = campaign('mutants'), 0
    for number in range(60):
        text = mutants.net_text(random.Random(number)).decode('utf-8', 'surrogateescape')
        try:
            parsed += bool(parse_net(text).layer)
        except ValueError:
            continue
    assert parsed > 40


@pytest.mark.parametrize('name', ['w.caffemodel', 'w.npz', 's.solverstate.h5', 'l.png', 'a.h5'])
def test_a_sample_of_full_disks(name: str, campaign, tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    crash = campaign('crash')
    monkeypatch.setattr(crash, 'points', lambda size, seconds: iter((0, 7, 900, size - 1, size)))
    count, faults = crash.sweep(name, crash.writers()[name], tmp_path)
    assert count and not faults


def test_a_fault_is_told(campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign can fail: a writer that leaves a half file, a reader that loses its head."""
    crash, readers = campaign('crash'), campaign('readers')
    monkeypatch.setattr(crash, 'points', lambda size, seconds: iter((0, 7, 900)))
    count, faults = crash.sweep('x', lambda path: path.write_bytes(bytes(9000)), tmp_path)
    assert len(faults) == count == 3 and 'x: limit 0: ' in faults[0]
    assert readers.complaint(IndexError('x')) and readers.complaint(ValueError('two\nlines'))
    assert readers.complaint(KeyError()) and not readers.complaint(ValueError('x: is damaged'))
