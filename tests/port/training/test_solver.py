"""Solver: steps against plain numpy, multipliers, displays, tests, snapshots and interruptions."""

import logging
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.schema import parse_solver, print_solver
from netspec.schema.messages import SolverParameter
from port.training.solver import NonFiniteLoss, Solver

NET = '''
layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param {
    shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 }
    data_filler { type: "constant" value: 0.5 } data_filler { type: "constant" value: 2 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "z" param { lr_mult: 1 decay_mult: 1 }
        param { lr_mult: 2 decay_mult: 0 }
        inner_product_param { num_output: 2 weight_filler { type: "msra" } } }
layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "y" top: "loss" }
'''
FRONT = '{ name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" param { lr_mult: 1 } ' \
        'param { lr_mult: 2 decay_mult: 0 } ' \
        'inner_product_param { num_output: 3 %s weight_filler { type: "msra" } } }'
DEEP = NET.replace('layer { name: "ip"', 'layer ' + FRONT % ('a', 'x', 'a', '') + ' layer '
                   + FRONT.replace('param { lr_mult: 2 decay_mult: 0 } ', '')
                   % ('b', 'a', 'b', 'bias_term: false')
                   + ' layer { name: "ip"').replace('bottom: "x" top: "z"', 'bottom: "b" top: "z"')
BASE = 'base_lr: 0.1 lr_policy: "fixed" max_iter: 10 momentum: 0.9 weight_decay: 0.01 '


@pytest.fixture
def make(tmp_path):
    """Return a function that makes a solver of NET with some more settings."""
    def build(more: str = '', net: str = NET, **options) -> Solver:
        (tmp_path / 'net.prototxt').write_text(net)
        path = tmp_path / 'solver.prototxt'
        settings = parse_solver(f'train_net: "net.prototxt" snapshot_prefix: "snap/s" {BASE}')
        settings.MergeFrom(parse_solver(more))
        path.write_text(print_solver(settings))
        torch.manual_seed(3)
        return Solver(path, **options)
    return build


def params(solver: Solver) -> list[np.ndarray]:
    return [row.blob.data.numpy().copy() for row in solver.net.learnable]


def gradients(weights: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of 1/(2N) |Wx + b - y|^2 over N = 4 equal samples x = 0.5, y = 2."""
    residual = weights @ np.full(3, .5) + bias - 2
    return np.outer(residual, np.full(3, .5)), residual


def test_heavy_ball_with_the_rate_inside_the_velocity(make) -> None:
    """v <- m v + lr (g + decay w); w <- w - v, with each parameter's multipliers."""
    solver = make()
    (w, b), (vw, vb) = params(solver), (0, 0)
    for _ in range(5):
        gw, gb = gradients(w, b)
        vw, vb = .9 * vw + .1 * (gw + .01 * w), .9 * vb + .2 * gb
        w, b = w - vw, b - vb
        solver.step(1)
    assert np.allclose(params(solver)[0], w, atol=1e-5)
    assert np.allclose(params(solver)[1], b, atol=1e-5)


@pytest.mark.parametrize('more', ['', 'iter_size: 2', 'regularization_type: "L1"'])
@pytest.mark.parametrize('kind', ['SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam'])
def test_parameters_updated_together_get_the_same_numbers(make, kind: str, more: str) -> None:
    """As on a GPU: those of one rate and decay in one call, here three weights and two biases."""
    momentum = 0 if kind in ('AdaGrad', 'RMSProp') else .9
    found = {}
    for together in (False, True):
        solver = make(f'type: "{kind}" momentum: {momentum} delta: 1e-6 {more}', net=DEEP)
        solver.together, calls, descend = together, [], solver.descend

        def spy(p, it, rate, decay, blobs, history, calls=calls, descend=descend):
            calls.append(len(blobs))
            return descend(p, it, rate, decay, blobs, history)
        solver.descend = spy
        versions = [row.blob.data._version for row in solver.net.learnable]
        solver.step(4)
        assert calls == ([3, 2] if together else [1] * 5) * 4
        assert all(row.blob.data._version > old        # what a recording of a GPU's work goes by
                   for row, old in zip(solver.net.learnable, versions, strict=True))
        found[together] = params(solver) + [h.numpy() for h in solver.history] + [
            row.blob.diff.numpy() for row in solver.net.learnable]
    assert all(np.array_equal(a, b) for a, b in zip(found[False], found[True], strict=True))


def test_accumulation_of_equal_passes_changes_nothing(make) -> None:
    one, three = make(), make('iter_size: 3')
    one.step(3)
    three.step(3)
    assert all(np.allclose(a, b, atol=1e-6)
               for a, b in zip(params(one), params(three), strict=True))


def test_the_diff_reads_as_the_update_after_a_step(make) -> None:
    solver = make()
    before = params(solver)
    solver.step(1)
    for row, old in zip(solver.net.learnable, before, strict=True):
        assert np.allclose(old - row.blob.diff.numpy(), row.blob.data.numpy())


def test_log_lines_are_caffes(make, caplog) -> None:
    solver = make('display: 2 average_loss: 2')
    with caplog.at_level(logging.INFO, 'port'):
        solver.step(3)
    lines = [r.getMessage() for r in caplog.records]
    assert any(re.fullmatch(r'Iteration 2 \([\d.e+-]+ iter/s, [\d.e+-]+s/2 iters\), loss = \S+', s)
               for s in lines)
    assert any(re.fullmatch(r'    Train net output #0: loss = \S+ \(\* 1 = \S+ loss\)', s)
               for s in lines)
    assert any(s == 'Iteration 2, lr = 0.1' for s in lines)


def test_average_loss_is_the_mean_of_the_window(make) -> None:
    solver, losses = make('average_loss: 3'), []
    solver.on_iteration.append(lambda s, loss: losses.append(loss))
    solver.step(5)
    assert np.isclose(solver.smoothed_loss, np.mean(losses[-3:]), rtol=1e-5)


def test_clipping_scales_all_gradients_together(make) -> None:
    solver = make('clip_gradients: 0.5 weight_decay: 0 momentum: 0')
    (w, b), (gw, gb) = params(solver), gradients(*params(solver))
    scale = .5 / np.sqrt((gw ** 2).sum() + (gb ** 2).sum())
    solver.step(1)
    assert np.allclose(params(solver)[0], w - .1 * scale * gw, atol=1e-6)
    assert np.allclose(params(solver)[1], b - .2 * scale * gb, atol=1e-6)


RANDOM = NET.replace('constant" value: 0.5', 'gaussian" std: 1').replace(
    'layer { name: "loss"', 'layer { name: "d" type: "Dropout" bottom: "z" top: "z" }\n'
    'layer { name: "loss"')


@pytest.mark.parametrize('kind', ['BINARYPROTO', 'HDF5'])
@pytest.mark.parametrize('type_name', ['SGD', 'Adam', 'AdaDelta'])
def test_resuming_goes_on_bit_for_bit(make, kind: str, type_name: str) -> None:
    """Random data and dropout included: the random number generator travels along."""
    options = f'type: "{type_name}" snapshot_format: {kind} snapshot: 2 random_seed: 5'
    through = make(options, RANDOM)
    through.step(6)
    ending = '.h5' if kind == 'HDF5' else ''
    again = make(options, RANDOM)
    again.restore(again.prefix + f'_iter_2.solverstate{ending}')
    assert again.iteration == 2
    again.step(4)
    assert all(np.array_equal(a, b) for a, b in zip(params(through), params(again), strict=True))


@pytest.mark.parametrize('policy', ['poly', 'sigmoid'])
def test_stopping_early_leaves_the_rates_as_they_are(make, policy: str) -> None:
    """Stopped at 4 of 10 and resumed: the weights of a run that nobody stopped."""
    more = f'lr_policy: "{policy}" power: 0.9 gamma: 0.5 stepsize: 5'
    whole = make(more)
    whole.solve()
    first = make(more, until=4)
    first.solve()
    assert first.iteration == 4 and first.param.max_iter == 10
    rest = make(more)
    rest.solve(first.state_path)
    assert all(np.array_equal(a, b) for a, b in zip(params(whole), params(rest), strict=True))


def test_a_refusal_names_the_solver_file(make) -> None:
    with pytest.raises(KeyError, match="unknown lr_policy 'polly'") as caught:
        make('lr_policy: "polly"')
    assert 'solver.prototxt' in caught.value.__notes__[0]
    with pytest.raises(ValueError, match='no rate from there to iteration 11'):
        make('lr_policy: "poly" power: 0.9', until=11)


def test_snapshots_lie_beside_the_solver(make, tmp_path) -> None:
    solver = make()
    solver.step(1)
    weights = solver.snapshot()
    assert weights == str(tmp_path / 'snap' / 's_iter_1.caffemodel')


def test_snapshot_diff_carries_the_gradients(make) -> None:
    from netspec.schema import read_net_binary
    solver = make('snapshot_diff: true')
    solver.step(1)
    layer = next(x for x in read_net_binary(solver.snapshot()).layer if x.name == 'ip')
    assert len(layer.blobs[0].diff) == 6


@pytest.mark.parametrize(('settings', 'taken'), [
    ('max_iter: 4 snapshot: 2', [2, 4]),                 # not once more: 4 is already there
    ('max_iter: 4 snapshot: 3', [3, 4]),
    ('max_iter: 4', [4]),
    ('max_iter: 4 snapshot: 3 snapshot_after_train: false', [3])])
def test_training_ends_with_one_snapshot_of_its_last_iteration(make, settings, taken) -> None:
    """Solver::Solve: after training, unless that iteration has just been written."""
    solver, found = make(settings), []
    solver.on_snapshot.append(lambda: found.append(solver.iteration))
    solver.solve()
    assert found == taken


def test_a_stop_request_ends_with_a_snapshot(make) -> None:
    solver = make()
    solver.action = lambda: 'stop' if solver.iteration == 3 else None
    solver.solve()
    assert solver.iteration == 3 and solver.stopped
    make().restore(solver.snapshot_name('.solverstate'))


def test_a_nonfinite_loss_stops_and_says_why(make) -> None:
    solver = make(finite=True)
    solver.net.params['ip'][0].data.fill_(float('inf'))
    with pytest.raises(NonFiniteLoss, match='iteration 0: the loss is (nan|inf). Likely causes'):
        solver.step(1)
    assert solver.iteration == 0


TESTED = '''
layer { name: "x" type: "DummyData" top: "x" top: "y" dummy_data_param {
    shape { dim: 4 dim: 3 } shape { dim: 4 dim: 2 } data_filler { value: 1 } } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "z" inner_product_param { num_output: 2 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "z" bottom: "y" top: "loss"
        include { phase: TRAIN } }
layer { name: "a" type: "Reduction" bottom: "z" top: "a" include { phase: TEST stage: "a" } }
layer { name: "b" type: "Reduction" bottom: "z" top: "b" include { phase: TEST stage: "b" } }
'''


def test_one_file_makes_several_test_nets(tmp_path, caplog) -> None:
    (tmp_path / 'n.prototxt').write_text(TESTED)
    (tmp_path / 's.prototxt').write_text(
        f'net: "n.prototxt" {BASE} test_iter: 2 test_iter: 1 test_interval: 2 '
        'test_state { stage: "a" } test_state { stage: "b" } snapshot_after_train: false')
    solver = Solver(tmp_path / 's.prototxt')
    assert [net.outputs for net in solver.test_nets] == [['a', 'y'], ['b', 'y']]
    with caplog.at_level(logging.INFO, 'port'):
        solver.step(3)
    assert 'Iteration 2, Testing net (#1)' in caplog.text
    assert '    Test net output #0: b = ' in caplog.text
    solver.net.params['ip'][1].data.fill_(1)
    assert solver.test(0)['a'] != 0


@pytest.mark.parametrize(('more', 'message'), [
    ('type: "SDG"', "unknown solver type 'SDG'"),
    ('type: "AdaGrad"', 'momentum cannot be used'),
    ('regularization_type: "L3"', "unknown regularization_type 'L3'"),
    ('test_iter: 3', 'test_iter must be specified for each test net: got 1 for 0'),
    ('net: "net.prototxt"', 'exactly one of net'),
    ('iter_size: 0', 'iter_size must be 1 or more'),
])
def test_settings_that_caffe_refuses(make, more: str, message: str) -> None:
    with pytest.raises((ValueError, KeyError), match=message):
        make(more)


def test_a_state_of_another_net_is_refused(make) -> None:
    solver = make('type: "Adam"')
    solver.step(1)
    solver.snapshot()
    with pytest.raises(ValueError, match='holds 4 history blobs; this solver .SGD. and net need 2'):
        make().restore(solver.snapshot_name('.solverstate'))


def test_old_solver_types_are_understood() -> None:
    assert parse_solver('solver_type: ADAM').type == 'Adam'
    assert SolverParameter().type == 'SGD'


def test_a_frozen_parameter_has_a_history_in_the_adaptive_solvers(make) -> None:
    """Caffe gathers its squares all the same: with lr_mult 0 only the update is nothing."""
    frozen = NET.replace('lr_mult: 1', 'lr_mult: 0')
    for name, empty in (('SGD', True), ('AdaGrad', False), ('Adam', False)):
        solver = make(f'type: "{name}" momentum: {0 if name == "AdaGrad" else .9}', frozen)
        before = params(solver)[0]
        solver.step(1)
        assert (not solver.history[0].any()) == empty
        assert np.array_equal(params(solver)[0], before)


@pytest.mark.parametrize('kind', ['BINARYPROTO', 'HDF5'])
def test_a_copied_run_goes_on_from_its_own_weights(make, tmp_path, caplog, kind: str) -> None:
    """The state names the original's weights, which have become others meanwhile."""
    options, ending = f'snapshot_format: {kind}', '.h5' if kind == 'HDF5' else ''
    solver = make(options)
    solver.step(2)
    solver.snapshot()
    kept = params(solver)
    copied = tmp_path / 'copied'
    shutil.copytree(tmp_path / 'snap', copied)
    solver.net.params['ip'][0].data.fill_(9)
    solver.net.save(solver.weights_path)
    again = make(options)
    with caplog.at_level(logging.INFO, 'port'):
        again.restore(copied / f's_iter_2.solverstate{ending}')
    assert all(np.array_equal(a, b) for a, b in zip(params(again), kept, strict=True))
    beside = copied / f's_iter_2.caffemodel{ending}'
    assert f'Restoring weights from {beside}' in caplog.text
    with pytest.raises(ValueError, match='holds other weights than those that this state'):
        make(options).restore(solver.state_path)
    beside.unlink()
    Path(solver.weights_path).unlink()
    with pytest.raises(FileNotFoundError, match=f'its weights are not there: no {beside}, nor'):
        make(options).restore(copied / f's_iter_2.solverstate{ending}')


def test_a_moved_state_finds_the_weights_where_they_were_written(make, tmp_path) -> None:
    solver = make()
    solver.step(2)
    solver.snapshot()
    state = shutil.move(solver.state_path, tmp_path / 'moved.solverstate')
    again = make()
    again.restore(state)
    assert all(np.array_equal(a, b) for a, b in zip(params(again), params(solver), strict=True))
