"""What the campaigns once found, and a sample of each: the long runs are `make crash`, `make fuzz`,
`make referee` and `make sanitize`.
"""

import importlib
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import numpy as np
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
    for name in [p.stem for p in (HERE / 'campaigns').glob('*.py')]:
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


@pytest.mark.parametrize('name', ['w.caffemodel', 'w.npz', 's.solverstate.h5', 'l.png', 'a.h5',
                                  'records', 'scenes', 'i.png', 'rows.h5', 'n.png', 'apart.onnx'])
def test_a_sample_of_full_disks(name: str, campaign, tmp_path: Path,
                                monkeypatch: pytest.MonkeyPatch) -> None:
    disk, writers = campaign('full_disk'), campaign('writers')
    monkeypatch.setattr(disk, 'points', lambda size: iter((0, 7, 900, size - 1, size)))
    count, faults = disk.sweep(name, writers.writers()[name], tmp_path)
    assert count and not faults


def test_a_fault_is_told(campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign can fail: a writer that leaves a half file, a reader that loses its head."""
    disk, writers, readers = campaign('full_disk'), campaign('writers'), campaign('readers')
    monkeypatch.setattr(disk, 'points', lambda size: iter((0, 7, 900)))
    half = writers.Writer(lambda path: path.write_bytes(bytes(9000)))
    count, faults = disk.sweep('x', half, tmp_path)
    assert len(faults) == count == 3 and 'x: limit 0: ' in faults[0]
    assert disk.wrong({'x': b'ab'}, {'x': b'old'}, {'x': b'abc'}, 2, True) == 'x is not whole'
    assert 'nothing is said' in disk.wrong({'x': b'old'}, {'x': b'old'}, {'x': b'abcd'}, 3, False)
    assert 'left behind' in disk.wrong({'.x.part': b''}, {}, {'x': b'abcd'}, 3, True)
    assert 'gone' in disk.wrong({}, {'x': b'old'}, {'x': b'abcd'}, 3, True)
    assert readers.complaint(IndexError('x')) and readers.complaint(ValueError('two\nlines'))
    assert readers.complaint(KeyError()) and not readers.complaint(ValueError('x: is damaged'))


def test_a_sample_of_kills(campaign, tmp_path: Path) -> None:
    crash, jobs = campaign('crash'), campaign('crash_jobs')
    trial = crash.Campaign(tmp_path, random.Random(2), crash.Counts())
    (job,) = (job for job in jobs.jobs(jobs.drawn(tmp_path), jobs.trained(tmp_path))
              if job.name == 'convert-npz')
    for _ in range(5):
        trial.kills(job)
    assert {'kills', 'kills on sight'} & set(trial.counts.all) and not trial.faults


def test_a_half_file_is_told(campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The campaign can fail: a command that writes its file bit by bit."""
    crash, jobs = campaign('crash'), campaign('crash_jobs')

    def write() -> None:
        with open('w.npz', 'wb', buffering=0) as file:
            for _ in range(20):
                file.write(b'x')
                time.sleep(.005)
    monkeypatch.setattr(crash, 'command', lambda words: write)
    trial = crash.Campaign(tmp_path, random.Random(2), crash.Counts())
    job = jobs.Job('half', lambda folder: [], lambda folder: None)
    monkeypatch.setattr(crash, 'kill', lambda *given: crash.lasts(given[0], .05)
                        and bool(os.kill(given[0], signal.SIGKILL) or crash.ended(given[0])))
    with pytest.raises(crash.Fault, match='half: w.npz is not whole after a kill'):
        trial.kills(job)


def test_counts_go_on(campaign, tmp_path: Path) -> None:
    counts = campaign('counts')
    for _ in range(2):
        held = counts.Counts(tmp_path / 'c.json')
        held.add('net', counts.Counter(read=3, fault=1), held.next.get('net', 0) + 1)
    again = counts.Counts(tmp_path / 'c.json')
    assert again.next == {'net': 2} and again.kinds == {'net': {'read': 6, 'fault': 2}}
    assert again.table().splitlines()[-1].split() == ['all', '8', '6', '2']


REFEREED = sorted((HERE / 'golden' / 'referee').glob('*.npz'))


@pytest.mark.parametrize('path', REFEREED, ids=lambda path: path.stem)
def test_what_the_referee_recorded(path: Path, campaign, tmp_path: Path,
                                   monkeypatch: pytest.MonkeyPatch) -> None:
    """A Caffe played these cases, and `make referee` draws the same from the same seeds."""
    referee, drawn = campaign('referee'), campaign('drawn_nets')
    kind, seed = path.stem.split('-')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv('REFEREE_SCRIPTS', raising=False)
    monkeypatch.setitem(sys.modules, 'caffe', importlib.import_module('port.pycaffe'))
    caffe, case = importlib.import_module('port.pycaffe'), drawn.draw(kind, int(seed))
    ours = (referee.play_solver if case.solver else referee.play_net)(caffe, case, int(seed))
    tolerance = referee.LEARNT if kind == 'solvers' else referee.TOLERANCE
    assert referee.difference(ours, dict(np.load(path)), tolerance) == ''


def test_the_referee_sees_a_difference(campaign) -> None:
    """Of values, of shapes and of blobs; and none within rounding."""
    referee, one = campaign('referee'), {'out:y': np.ones((2, 3))}
    assert referee.difference(one, {'out:y': np.ones((2, 3)) + 1e-5}, 2e-4) == ''
    assert 'off by 0.001' in referee.difference(one, {'out:y': np.full((2, 3), 1.001)}, 2e-4)
    assert 'shape [2, 3], Caffe [3]' in referee.difference(one, {'out:y': np.ones(3)}, 2e-4)
    assert 'out:y' in referee.difference(one, {}, 2e-4)
    assert 'off by nan' in referee.difference({'a': np.array([np.nan])}, {'a': np.ones(1)}, 2e-4)


def test_the_referee_goes_on_after_an_abort(campaign, tmp_path: Path) -> None:
    """A module that stands for Caffe and dies at its third net: the others are played."""
    referee = campaign('referee')
    (tmp_path / 'brittle').mkdir()
    (tmp_path / 'brittle/dying.py').write_text(
        'import os\nfrom pathlib import Path\nfrom port.pycaffe import *\nfrom port.pycaffe '
        'import Net as Whole\n\ndef Net(*a, **k):\n'
        '    if Path.cwd().name == "3.work":\n'
        '        os.write(2, b"Check failed: no\\n")\n        os.abort()\n'
        '    return Whole(*a, **k)\n')
    place = tmp_path / 'out'
    place.mkdir()
    path = f'{tmp_path / "brittle"}:{HERE.parent}'
    referee.side(sys.executable, 'dying', path, 'layers', 1, 4, place)
    ended = {p.stem: p.suffix for p in place.glob('[0-9].*') if p.suffix in ('.npz', '.txt')}
    assert sorted(ended) == ['1', '2', '3', '4'] and ended['3'] == '.txt'
    assert (place / '3.txt').read_text() == 'abort: Check failed: no'


def test_without_a_caffe_the_referee_says_so(campaign, capsys, monkeypatch) -> None:
    referee = campaign('referee')
    monkeypatch.setattr(sys, 'argv', ['referee.py', '--caffe', ''])
    assert referee.main() == 0 and 'skipped: no Caffe' in capsys.readouterr().out
    monkeypatch.setattr(sys, 'argv', ['referee.py', '--caffe', '/nowhere'])
    assert referee.main() == 2 and 'holds no package caffe' in capsys.readouterr().out
