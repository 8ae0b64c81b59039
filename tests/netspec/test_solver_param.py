"""Generated solvers against the digests of the published files."""

from pathlib import Path

import pytest

from netspec.schema import message_digest
from netspec.solver_param import solver
from netspec.variants import VARIANTS

LIST = Path(__file__).parents[1] / 'golden' / 'published_files.txt'
SOLVERS = {path.split('/')[1]: message for _, message, _, path in
           (line.split() for line in LIST.read_text().splitlines() if not line.startswith('#'))
           if path.startswith('solvers/')}


def test_fifteen_solvers_are_published():
    assert len(SOLVERS) == 15 and SOLVERS.keys() <= VARIANTS.keys()


@pytest.mark.parametrize('name', SOLVERS)
def test_message_is_the_published_one(name):
    assert message_digest(solver(name)) == SOLVERS[name]


@pytest.mark.parametrize('name, base_lr', [
    ('camvid-fcn32s', 1e-10), ('camvid-fcn16s', 1e-12), ('camvid-fcn8s', 1e-14)])
def test_camvid_learns_as_voc_does(name, base_lr):
    ours, voc = solver(name), solver(name.replace('camvid', 'voc'))
    assert list(ours.test_iter) == [101] and ours.base_lr == pytest.approx(base_lr)
    ours.test_iter[:] = voc.test_iter
    assert ours == voc


def test_overrides_replace_add_and_leave_out():
    ours = solver('voc-fcn8s', base_lr=1e-3, max_iter=7, random_seed=3, test_iter=2,
                  snapshot=None, snapshot_prefix=None)
    assert (ours.max_iter, ours.random_seed, list(ours.test_iter)) == (7, 3, [2])
    assert ours.base_lr == pytest.approx(1e-3)
    assert not ours.HasField('snapshot') and not ours.HasField('snapshot_prefix')


def test_nets_in_a_folder():
    ours = solver('siftflow-fcn8s', net_dir='nets/x')
    assert (ours.train_net, list(ours.test_net)) == (
        'nets/x/trainval.prototxt', ['nets/x/test.prototxt'])


@pytest.mark.parametrize('overrides, error, text', [
    (dict(base_ir=1), KeyError, "no field 'base_ir'; did you mean 'base_lr'"),
    (dict(max_iter='x'), TypeError, "max_iter is given 'x'")])
def test_bad_overrides(overrides, error, text):
    with pytest.raises(error, match=text):
        solver('voc-fcn8s', **overrides)
