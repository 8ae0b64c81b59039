"""fcn train on several ranks: where one of them fails, what is refused, and torchrun itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import port
from port.cli import main
from port.engine.net import Net
from port.training.solver import Solver

from .on_ranks import trained, weights, write

pytestmark = pytest.mark.usefixtures('one_thread')


# -- failures --------------------------------------------------------------------------------------

def failing(solver: Path, at: int, fail: Callable[[], object]) -> Callable[[], None]:
    """Return a training whose rank fails in its own way as a pass begins."""
    def work() -> None:
        clear, passes = Net.clear_param_diffs, [0]

        def spy(self):
            passes[0] += 1
            if passes[0] == at:
                fail()
            return clear(self)
        Net.clear_param_diffs = spy
        main(['train', '--solver', str(solver)])
    return work


def broken() -> None:
    raise ValueError('a broken image')


@pytest.mark.parametrize('fail, status, line', [
    (lambda: os.kill(os.getpid(), signal.SIGKILL), -9, 'fcn: rank 1 of 2 ended without a word: '
     'killed, out of memory, or its machine is down'),
    (broken, 1, 'fcn: a broken image (training stopped at iteration 7; the last snapshot stays: ')])
def test_where_one_rank_ends_all_end_and_one_line_says_why(
        fail, status: int, line: str, place, torchrun) -> None:
    """The last snapshot is whole, and what torchrun starts anew goes on from it."""
    run, whole = (place(name, 10, 'snapshot: 3') for name in 'ab')
    ended = torchrun.run(failing(run, 0, broken), failing(run, 8, fail), timeout=30)
    assert [one.status for one in ended] == [1, status]
    said = [text for one in ended for text in one.err.splitlines() if text.startswith('fcn:')]
    assert len(said) == 1 and said[0].startswith(line), said
    assert '(rank 1 of 2)' in said[0] or 'rank 1 of 2 ended' in said[0]
    again = torchrun.fcn(2, 'train', '--solver', run, again=True)
    assert [one.status for one in again] == [0, 0] and 'Iteration 5 ' not in again[0].out
    trained(torchrun, 2, whole)
    assert all(np.array_equal(weights(run, 10)[key], value)
               for key, value in weights(whole, 10).items())


def test_a_full_disk_of_rank_0_ends_all(place, torchrun) -> None:
    """The snapshot from before is whole: training goes on from it as if nothing had happened."""
    run, whole = (place(name, 9, 'snapshot: 3') for name in 'ab')
    trained(torchrun, 2, run, '--iterations', 3)
    before = {path: path.read_bytes() for path in run.parent.glob('s_iter_3*')}
    state = str(run.parent / 's_iter_3.solverstate')

    def full() -> None:
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 13, 1 << 13))    # the log has its room
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        go_on()

    def go_on() -> None:
        main(['train', '--solver', str(run), '--snapshot', state])
    ended = torchrun.run(full, go_on)
    assert [one.status for one in ended] == [1, 1]
    said = [line for one in ended for line in one.err.splitlines() if line.startswith('fcn: ')]
    assert len(said) == 1 and 'File too large' in said[0] and '(rank 0 of 2)' in said[0]
    assert len(before) == 2 and all(path.read_bytes() == held for path, held in before.items())
    assert not [p for p in run.parent.iterdir() if '.part' in p.name or '6.solver' in p.name]
    trained(torchrun, 2, run, '--snapshot', state)
    trained(torchrun, 2, whole)
    assert all(np.array_equal(weights(run, 9)[key], value)
               for key, value in weights(whole, 9).items())


# -- what is refused -------------------------------------------------------------------------------

def refusal(ended: list) -> str:
    """Return the one line of ranks that all ended with 1."""
    assert [one.status for one in ended] == [1] * len(ended), [one.err for one in ended]
    said = [line for one in ended for line in one.err.splitlines() if line.startswith('fcn:')]
    assert len(said) == 1, said
    return said[0]


def each(*commands: tuple[object, ...]) -> list[Callable[[], None]]:
    return [lambda args=args: main(['train', *map(str, args)]) for args in commands]


def test_ranks_that_differ_are_refused(place, torchrun, tmp_path: Path) -> None:
    one, other = place('a'), place('b', more='momentum: 0.5')
    other.write_text(other.read_text().replace(str(other.parent), str(one.parent)))
    assert 'rank 1 has another solver than rank 0' in refusal(torchrun.run(
        *each(('--solver', one), ('--solver', other))))
    (other.parent / 'net.prototxt').write_text((one.parent / 'net.prototxt').read_text().replace(
        'top: "one" convolution_param {', 'top: "one" convolution_param { group: 1'))
    other.write_text(one.read_text())
    assert 'rank 1 has another net than rank 0' in refusal(torchrun.run(
        *each(('--solver', one), ('--solver', other))))
    nets = [Solver(one).net for _ in range(2)]
    nets[1].params['score'][0].data.mul_(2)
    for name, net in zip('xy', nets, strict=True):
        net.save(tmp_path / f'{name}.caffemodel')
    assert 'rank 1 has another set of weights than rank 0' in refusal(torchrun.run(
        *each(('--solver', one, '--weights', tmp_path / 'x.caffemodel'),
              ('--solver', one, '--weights', tmp_path / 'y.caffemodel'))))


def test_what_one_rank_cannot_have_is_refused_by_all(place, torchrun, tmp_path: Path) -> None:
    run = place('a', 4)
    assert "no such solver state (rank 1 of 2)" in refusal(torchrun.run(*each(
        ('--solver', run), ('--solver', run, '--snapshot', tmp_path / 'elsewhere.solverstate'))))
    assert 'no CUDA device is here' in refusal(torchrun.fcn(2, 'train', '--solver', run,
                                                             '--gpu', '0,1'))
    assert [p.name for p in run.parent.iterdir()] != [] and not list(run.parent.glob('s_iter*'))


def test_more_ranks_than_images_are_refused_by_all(own_scenes, torchrun, tmp_path: Path) -> None:
    """Three of two images: more ranks take long to find one another on a machine under load."""
    names = Path(own_scenes.roots['sbdd_dir'], 'train.txt')
    names.write_text(''.join(names.read_text().splitlines(keepends=True)[:2]))
    line = refusal(torchrun.fcn(3, 'train', '--solver',
                                write(tmp_path / 'a', own_scenes.roots['sbdd_dir'], 4)))
    assert '2 image(s) for 3 ranks; start at most 2 processes' in line


# -- torchrun itself -------------------------------------------------------------------------------

def launch(*args: object) -> subprocess.Popen:
    source = str(Path(port.__file__).parents[1])
    return subprocess.Popen(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2',
         *map(str, args)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {'OMP_NUM_THREADS': '1', 'PYTHONPATH': source})


@pytest.mark.slow
def test_torchrun_trains_and_starts_anew_what_was_killed(place, torchrun, tmp_path: Path) -> None:
    """Killed once a snapshot is there; the weights are those of ranks that nobody killed."""
    killed, whole = (place(name, 400, 'snapshot: 50') for name in 'ab')
    run = launch('--max-restarts', 1, '-m', 'port', 'train', '--solver', killed)
    log, deadline = killed.parent / 's.log', time.monotonic() + 60
    while not (killed.parent / 's_iter_100.solverstate').exists():
        assert time.monotonic() < deadline and run.poll() is None
        time.sleep(.01)
    os.kill(int(log.read_text().split()[2]), signal.SIGKILL)      # glog names the process
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert 'fcn: rank 0 of 2 ended without a word' in err
    assert 'Restoring weights from' in log.read_text()
    trained(torchrun, 2, whole)
    assert all(np.array_equal(weights(killed, 400)[key], value)
               for key, value in weights(whole, 400).items())


@pytest.mark.slow
def test_torchrun_ends_at_once_where_a_rank_cannot_begin(place) -> None:
    start = time.monotonic()
    run = launch('-m', 'port', 'train', '--solver', place('a'), '--weights', 'nowhere.caffemodel')
    _, err = run.communicate(timeout=60)
    assert run.returncode == 1 and time.monotonic() - start < 60
    assert [line for line in err.splitlines() if line.startswith('fcn:')] == [
        'fcn: nowhere.caffemodel: no such weights file']
