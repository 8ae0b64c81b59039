"""fcn train on several ranks: the weights of one process with as many times the iter_size, data
order, snapshots, BatchNorm.
"""

import os
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from port.cli import main
from port.data.seg_layer import SegDataLayer
from port.distributed.buckets import BucketedSums
from port.images.read_ahead import picks
from port.training.rank_training import RankTraining
from port.training.solver import Solver

from .on_ranks import DROPOUT, MOVED, NORM, apart, beginning, hold, trained, weights

pytestmark = pytest.mark.usefixtures('one_thread')


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


@pytest.mark.parametrize('engine', ['--fast', '--exact'])
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
    trained(torchrun, 2, ours, '--exact')
    ended = torchrun.fcn(2, 'caffe', 'train', '-solver', caffes)
    assert [one.status for one in ended] == [0, 0], [one.err for one in ended]
    assert 'Optimization Done.' in ended[0].err and ended[1].err == ''
    assert all(np.array_equal(weights(caffes, 6)[key], value)
               for key, value in weights(ours, 6).items())


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
