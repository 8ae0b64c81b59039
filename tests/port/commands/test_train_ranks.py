"""fcn train on several ranks: the weights of one process with as many times the iter_size, data
order, snapshots, failures of one rank, and what is refused.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

import port
import surgery
from netspec.schema import parse_solver, print_solver
from port.cli import main
from port.data.seg_layer import SegDataLayer
from port.distributed.buckets import BucketedSums
from port.engine.net import Net
from port.images.read_ahead import picks
from port.training.rank_training import RankTraining
from port.training.solver import Solver

pytestmark = pytest.mark.usefixtures('one_thread')

MOVED = 0.01      # of the way that each parameter moved: float32 sums in another order, 50 steps on
RUN = 50
LAYERS = '''
layer { name: "data" type: "Python" top: "data" top: "label" python_param {
    module: "voc_layers" layer: "SBDDSegDataLayer" param_str: "{'sbdd_dir': '%s', \
'split': 'train', 'seed': 5, 'mean': (104.007, 116.669, 122.679)}" } }
layer { name: "one" type: "Convolution" bottom: "data" top: "one" convolution_param {
    num_output: 8 kernel_size: 3 pad: 1 stride: 2 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "one" top: "one" }
layer { name: "fixed" type: "Convolution" bottom: "one" top: "fixed" param { lr_mult: 0 }
        param { lr_mult: 0 } convolution_param {
    num_output: 8 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }
%s
layer { name: "score" type: "Convolution" bottom: "fixed" top: "score" param { lr_mult: 1 }
        param { lr_mult: 2 } convolution_param {
    num_output: 21 kernel_size: 1 weight_filler { type: "msra" } } }
layer { name: "up" type: "Deconvolution" bottom: "score" top: "up" param { lr_mult: 0 }
        convolution_param { num_output: 21 kernel_size: 2 stride: 2 bias_term: false group: 21
        weight_filler { type: "bilinear" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "up" bottom: "label" top: "loss"
        loss_param { ignore_label: 255 } }
'''
DROPOUT = 'layer { name: "drop" type: "Dropout" bottom: "fixed" top: "fixed" }'
NORM = 'layer { name: "norm" type: "BatchNorm" bottom: "fixed" top: "fixed" }'
SOLVER = '''net: "net.prototxt" base_lr: 1e-4 lr_policy: "step" stepsize: 20 gamma: 0.5
momentum: 0.9 weight_decay: 0.01 max_iter: %d random_seed: 3 snapshot_prefix: "%s" display: 5 '''


@pytest.fixture
def place(tmp_path: Path, scenes) -> Callable[..., Path]:
    """place('name', steps=RUN, more='iter_size: 2', between=DROPOUT) -> a solver file."""
    def make(name: str, steps: int = RUN, more: str = '', between: str = '') -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / 'net.prototxt').write_text(LAYERS % (scenes.roots['sbdd_dir'], between))
        settings = parse_solver(SOLVER % (steps, folder / 's'))
        settings.MergeFrom(parse_solver(more))
        (folder / 'solver.prototxt').write_text(print_solver(settings))
        return folder / 'solver.prototxt'
    return make


def weights(solver: Path, iteration: int = RUN) -> dict[tuple[str, int], np.ndarray]:
    held = surgery.read_weights(solver.parent / f's_iter_{iteration}.caffemodel')
    return {(layer, i): np.array(blob) for layer, blobs in held.items()
            for i, blob in enumerate(blobs)}


def beginning(solver: Path) -> dict[tuple[str, int], np.ndarray]:
    """The weights that a solver begins with."""
    net = Solver(solver).net
    return {(layer, i): blob.data.numpy().copy() for layer, blobs in net.params.items()
            for i, blob in enumerate(blobs)}


def apart(one: dict, other: dict, start: dict) -> dict[tuple[str, int], float]:
    """How far two trainings lie apart, as a share of the way that each parameter moved."""
    norm = np.linalg.norm
    return {key: float(norm(one[key] - other[key]) / norm(other[key] - start[key]))
            for key in start if not np.array_equal(other[key], start[key])}


def hold(one: dict, other: dict, start: dict) -> None:
    found = apart(one, other, start)
    assert {layer for layer, _ in found} == {'one', 'score'}, 'these move, the fixed ones do not'
    assert max(found.values()) < MOVED, found


def trained(torchrun, ranks: int, solver: Path, *more: object) -> list:
    ended = torchrun.fcn(ranks, 'train', '--solver', solver, *more)
    assert [one.status for one in ended] == [0] * ranks, [one.err for one in ended]
    return ended


@pytest.mark.parametrize('ranks', [2, pytest.param(4, marks=pytest.mark.slow)])
def test_ranks_update_as_one_process_of_as_many_times_the_iter_size(
        ranks: int, place, torchrun, fcn) -> None:
    alone = place('alone', more=f'iter_size: {ranks}')
    assert fcn('train', '--solver', alone).exit_code == 0
    runs = [place('a'), place('b')]
    ended = [trained(torchrun, ranks, run) for run in runs]
    hold(weights(runs[0]), weights(alone), beginning(alone))
    assert all(np.array_equal(weights(runs[0])[key], value)
               for key, value in weights(runs[1]).items()), 'from run to run bit for bit'
    assert f'{ranks} ranks: 0.002 MB of gradients a step in 1 buckets; 0.003 MB' in ended[0][0].out
    assert all(one.out == one.err == '' for one in ended[0][1:]), 'one rank says all'
    assert sorted(p.name for p in runs[0].parent.iterdir()) == [
        'net.prototxt', 's.csv', 's.log', 's_iter_50.caffemodel', 's_iter_50.solverstate',
        'solver.prototxt']


@pytest.mark.parametrize('engine', ['--fast', '--no-fast'])
def test_sums_are_on_their_way_before_the_backward_pass_ends(
        engine: str, place, torchrun, fcn) -> None:
    """By both engines; a bucket a layer, the last layers' first."""
    def work() -> None:
        average = RankTraining._average
        RankTraining.__init__.__globals__['BucketedSums'] = partial(BucketedSums, size=1)

        def spy(self):
            print('on their way:', len(self.sums.sent), 'of', len(self.sums.buckets))
            assert [row.layer for row in self.travelling] == ['score', 'score', 'one', 'one']
            average(self)
        RankTraining._average = spy
        main(['train', '--solver', str(run), engine])
    run, alone = place('a', 5), place('b', 5, 'iter_size: 2')
    ended = torchrun.run(work, work)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert ended[0].out.count('on their way: 4 of 4') == 5
    assert fcn('train', '--solver', alone, engine).exit_code == 0
    hold(weights(run, 5), weights(alone, 5), beginning(alone))


@pytest.mark.slow
def test_caffes_average_comes_before_clipping(place, torchrun, fcn) -> None:
    """The mean over ranks is clipped, so that the sum of one process has twice the limit."""
    two = place('two', 10, 'clip_gradients: 50 iter_size: 2')
    alone = place('alone', 10, 'clip_gradients: 100 iter_size: 4')
    other = place('other', 10, 'clip_gradients: 50 iter_size: 4')
    trained(torchrun, 2, two)
    for run in (alone, other):
        assert fcn('train', '--solver', run).exit_code == 0
    start = beginning(alone)
    hold(weights(two, 10), weights(alone, 10), start)
    assert max(apart(weights(two, 10), weights(other, 10), start).values()) > 5 * MOVED


def test_a_snapshot_goes_on_bit_for_bit_and_with_another_number_of_ranks(
        place, torchrun, fcn) -> None:
    """With Dropout, whose random numbers each rank has of its own."""
    whole, halves = (place(name, 12, 'snapshot: 6', DROPOUT) for name in 'ab')
    trained(torchrun, 2, whole)
    trained(torchrun, 2, halves, '--iterations', 6)
    trained(torchrun, 2, halves, '--snapshot', halves.parent / 's_iter_6.solverstate')
    assert all(np.array_equal(weights(halves, 12)[key], value)
               for key, value in weights(whole, 12).items())
    plain, alone = place('c', 12), place('d', 12, 'iter_size: 2')
    trained(torchrun, 2, plain, '--iterations', 6)
    assert fcn('train', '--solver', alone, '--snapshot', plain.parent / 's_iter_6.solverstate'
               ).exit_code == 0
    trained(torchrun, 2, plain)
    hold(weights(alone, 12), weights(plain, 12), beginning(alone))


@pytest.mark.parametrize('first, then', [(1, 2), (2, 3), (3, 2)])
def test_a_snapshot_of_some_ranks_goes_on_with_more_and_with_fewer(
        first: int, then: int, place, torchrun) -> None:
    """Six images a step, whoever takes them: as if nothing had changed."""
    whole, parts = (place(name, 8, f'iter_size: {6 // first}') for name in 'ab')
    trained(torchrun, first, whole)
    trained(torchrun, first, parts, '--iterations', 4)
    parts.write_text(parts.read_text().replace(f'iter_size: {6 // first}',
                                               f'iter_size: {6 // then}'))
    trained(torchrun, then, parts, '--snapshot', parts.parent / 's_iter_4.solverstate')
    hold(weights(parts, 8), weights(whole, 8), beginning(whole))


def test_the_images_are_those_of_one_process_in_its_order(place, torchrun, tmp_path: Path) -> None:
    """Step t of three ranks takes images 3 t, 3 t + 1 and 3 t + 2 of the one order."""
    run = place('a', 8)

    def note(rank: int) -> None:
        forward = SegDataLayer.forward

        def spy(self, bottom, top):
            with (tmp_path / f'read{rank}').open('a') as file:
                file.write(f'{self.idx}\n')
            forward(self, bottom, top)
        SegDataLayer.forward = spy
        main(['train', '--solver', str(run)])
    ended = torchrun.run(*[lambda rank=rank: note(rank) for rank in range(3)])
    assert [one.status for one in ended] == [0, 0, 0], [one.err for one in ended]
    order = [str(i) for i in islice(picks(6, 5), 24)]
    for rank in range(3):
        assert (tmp_path / f'read{rank}').read_text().split() == order[rank::3]


def test_caffe_train_does_the_same(place, torchrun) -> None:
    ours, caffes = place('a', 6), place('b', 6)
    trained(torchrun, 2, ours)
    ended = torchrun.fcn(2, 'caffe', 'train', '-solver', caffes)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert 'Optimization Done.' in ended[0].err and ended[1].err == ''
    assert all(np.array_equal(weights(caffes, 6)[key], value)
               for key, value in weights(ours, 6).items())


# -- failures --------------------------------------------------------------------------------------

def failing(solver: Path, at: int, fail: Callable[[], object]) -> Callable[[], None]:
    """Return a training whose rank fails in its own way in a pass."""
    def work() -> None:
        forward, passes = Net.run_forward, [0]

        def spy(self, *args, **options):
            passes[0] += 1
            if passes[0] == at:
                fail()
            return forward(self, *args, **options)
        Net.run_forward = spy
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
    line = refusal(torchrun.fcn(7, 'train', '--solver', run))
    assert '6 image(s) for 7 ranks; start at most 6 processes' in line
    assert 'no CUDA device is here' in refusal(torchrun.fcn(2, 'train', '--solver', run,
                                                             '--gpu', '0,1'))
    assert [p.name for p in run.parent.iterdir()] != [] and not list(run.parent.glob('s_iter*'))


# -- BatchNorm -------------------------------------------------------------------------------------

def test_statistics_are_each_ranks_own_or_synchronised(place, torchrun, fcn) -> None:
    """Own ones, as in Caffe: those of the passes of one process. Synchronised: the plain scenes
    are of one size, so that two ranks are one process with batches of two.
    """
    own, alone, one = (place(name, 10, more, NORM) for name, more in (
        ('own', ''), ('alone', 'iter_size: 2'), ('one', '')))
    batches = one.parent / 'net.prototxt'
    batches.write_text(batches.read_text().replace("'seed': 5", "'seed': 5, 'batch': 2"))
    trained(torchrun, 2, own)
    found = weights(own, 10)
    for run in (alone, one):
        assert fcn('train', '--solver', run).exit_code == 0
    start = {key: value for key, value in beginning(own).items() if key[0] != 'norm'}
    hold(found, weights(alone, 10), start)
    assert max(apart(found, weights(one, 10), start).values()) > 2 * MOVED
    trained(torchrun, 2, own, '--sync-batch-norm', '--iterations', 10)
    hold(weights(own, 10), weights(one, 10), start)
    for i in range(3):           # means, variances, and how many
        assert np.allclose(weights(own, 10)['norm', i], weights(one, 10)['norm', i], rtol=1e-4)


def test_recounting_is_shared_and_counts_every_batch_once(place, torchrun, tmp_path: Path) -> None:
    run = place('a', 4, '', NORM)

    def work() -> None:
        from port.distributed.alone import ALONE, launched
        from port.distributed.ranks import joined
        from port.training.batch_norm_statistics import recount
        from port.training.rank_training import use_ranks
        solver = Solver(run)
        if not launched():
            recount(solver.net, solver.net.run_forward, 5, ALONE)
        else:
            with joined() as ranks:
                use_ranks(solver, ranks)
                recount(solver.net, solver.net.run_forward, 5, ranks)
        np.savez(tmp_path / os.environ.get('RANK', 'alone'),
                 *[blob.data.numpy() for blob in solver.net.params['norm']])
    work()
    ended = torchrun.run(work, work)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    alone, first, second = (list(np.load(tmp_path / f'{name}.npz').values())
                            for name in ('alone', '0', '1'))
    assert alone[2] == 5
    for a, b, c in zip(alone, first, second, strict=True):
        assert np.array_equal(b, c) and np.allclose(a, b, rtol=1e-5)


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
