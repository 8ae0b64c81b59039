"""port.training.watch: rates that do not go with the loss, losses that stay flat."""

import numpy as np
import pytest

from netspec.families import make_net
from netspec.schema import parse_solver, print_solver
from netspec.solver_param import solver as published
from netspec.variants import VARIANTS
from port.engine.wiring import Node
from port.layers.bases.loss_normalization import mode_of
from port.training import watch
from port.training.solver import Solver

NET = '''layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 1 dim: 2 dim: 40 dim: 50 } shape { dim: 1 dim: 1 dim: 40 dim: 50 }
  data_filler { type: "gaussian" std: 1 } data_filler { value: 1 } } }
layer { name: "score" type: "Convolution" bottom: "data" top: "score" convolution_param {
  num_output: 3 kernel_size: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 normalize: NORMALIZE } }
'''


def made(tmp_path, rate: float, normalize: bool = False, more: str = 'momentum: 0.9') -> Solver:
    (tmp_path / 'net.prototxt').write_text(NET.replace('NORMALIZE', str(normalize).lower()))
    return Solver(parse_solver(f'net: "{tmp_path}/net.prototxt" base_lr: {rate} lr_policy: "fixed" '
                               f'max_iter: 200 random_seed: 1 {more}'))


@pytest.mark.parametrize(('rate', 'normalize', 'more', 'words'), [
    (1e-3, False, 'momentum: 0.9', ''),                  # 20 for the mean: high, but it may do
    (1e-1, False, 'momentum: 0.9', 'base_lr 0.1 is a rate for a mean loss, but the loss is summed '
                                  'over about 2,000 pixels: training will diverge. Set base_lr '
                                  'near 9e-09'),
    (1e-1, False, 'momentum: 0.9 clip_gradients: 10', ''),
    (1e-1, False, 'type: "Adam"', ''),
    (1e-10, True, 'momentum: 0.9', 'base_lr 1e-10 is a rate for a summed loss'),
    (1e-3, True, 'momentum: 0.9', ''),
    (1e-15, False, 'momentum: 0.9', 'so low that nothing will be learnt'),
    (1e-10, False, 'momentum: 0.99', '')])
def test_rate_and_normalisation(tmp_path, rate, normalize, more, words) -> None:
    found = watch.rate_fault(made(tmp_path, rate, normalize, more))
    assert words in found if words else not found


def test_no_published_solver_is_found_fault_with(tmp_path) -> None:
    """By the losses' normalisation and the images' sizes; the nets themselves need their data."""
    trial = made(tmp_path, 1)
    loss = watch.losses_of(trial)[0]
    for name, row in VARIANTS.items():
        layers = make_net(name, row.splits[0].file).layer
        given = next(layer for layer in layers if layer.type == 'SoftmaxWithLoss').loss_param
        trial.param = parse_solver(print_solver(published(name)))
        for size in ((256, 256), (500, 500)):
            shapes = [loss.bottom[0], type(loss.bottom[1])('label', (row.batch, 1, *size))]
            loss.layer.mode = mode_of(given)
            trial.net.nodes[-1] = Node(loss.entry, loss.layer, shapes, loss.top)
            assert watch.rate_fault(trial) == '', name


@pytest.mark.parametrize(('rate', 'normalize', 'flat'), [
    (1e-14, False, True), (1e-5, False, False), (1e-9, True, True), (1e-1, True, False)])
def test_a_flat_loss_is_told_once(tmp_path, rate, normalize, flat) -> None:
    solver, told = made(tmp_path, rate, normalize), []
    solver.on_iteration.append(watch.FlatLoss(solver, told.append))
    solver.step(130)
    assert len(told) == flat
    if flat:
        assert 'the loss stays flat' in told[0] and f'base_lr {rate:g}' in told[0]
        assert 'with 3 classes and nothing learnt it is 1.099' in told[0]


def test_it_looks_on(tmp_path) -> None:
    plain, watched = made(tmp_path, 1e-5), None
    plain.step(70)
    watched = made(tmp_path, 1e-5)
    watched.on_iteration.append(watch.FlatLoss(watched))
    watched.step(70)
    for one, other in zip(plain.net.params['score'], watched.net.params['score'], strict=True):
        assert np.array_equal(one.data, other.data)


def test_a_training_that_goes_on_is_not_looked_at(tmp_path) -> None:
    solver, told = made(tmp_path, 1e-14), []
    solver.step(1)
    solver.on_iteration.append(watch.FlatLoss(solver, told.append))
    solver.step(70)
    assert not told
