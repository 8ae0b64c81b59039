"""port.pycaffe.solver: stepping, callbacks, snapshots, the parameters that scripts touch."""

import numpy as np
import pytest

import port.pycaffe as caffe


def test_step_iter_and_the_first_update_by_hand(solver_file) -> None:
    """y = 0, loss = sum (0 - 3)^2 / (2 * 4): dw_k = -3, db = 0 + -3; update = -lr * grad."""
    solver = caffe.SGDSolver(solver_file)
    assert solver.iter == 0 and solver.net.params['fc'][0].data.tolist() == [[0, 0, 0]]
    solver.step(1)
    assert solver.iter == 1
    assert np.allclose(solver.net.params['fc'][0].data, 0.3, atol=1e-6)
    assert np.allclose(solver.net.params['fc'][1].data, 0.3, atol=1e-6)


def test_solve_reaches_max_iter_and_snapshots(solver_file, tmp_path) -> None:
    solver = caffe.get_solver(solver_file)
    solver.solve()
    assert solver.iter == 10
    assert (tmp_path / 's_iter_10.caffemodel').is_file()
    again = caffe.get_solver(solver_file)
    again.restore(str(tmp_path / 's_iter_10.solverstate'))
    assert again.iter == 10
    assert np.array_equal(again.net.params['fc'][0].data, solver.net.params['fc'][0].data)
    third = caffe.get_solver(solver_file)
    third.solve(str(tmp_path / 's_iter_10.solverstate'))
    assert third.iter == 10


def test_apply_update_uses_the_diffs_that_are_there(solver_file) -> None:
    solver = caffe.SGDSolver(solver_file)
    weights = solver.net.params['fc'][0].data[...]
    solver.net.layers[1].blobs[0].diff[...] = 1
    solver.apply_update()
    assert np.allclose(weights, -0.1) and solver.iter == 1


def test_param_is_read_and_written(solver_file) -> None:
    solver = caffe.SGDSolver(solver_file)
    assert solver.param.max_iter == 10 and solver.param.display == 0
    assert not solver.param.layer_wise_reduce or solver.param.layer_wise_reduce is True
    assert solver.lr == pytest.approx(0.1)
    solver.param.base_lr = 0
    solver.step(1)
    assert not solver.net.params['fc'][0].data.any() and solver.lr == 0


def test_callbacks(solver_file) -> None:
    solver, seen = caffe.SGDSolver(solver_file), []
    solver.add_callback(lambda: seen.append(('start', solver.iter)),
                        lambda: seen.append(('ready', solver.net.params['fc'][1].diff.item())))
    solver.step(2)
    assert seen[0] == ('start', 0) and seen[1] == ('ready', -3) and seen[2] == ('start', 1)


def test_test_nets_share_and_forward(solver_file) -> None:
    solver = caffe.SGDSolver(solver_file)
    test = solver.test_nets[0]
    solver.step(1)
    solver.share_weights(test)
    assert test.forward()['loss'] == pytest.approx((1.2 - 3) ** 2 / 2)
    assert len(solver.test_nets) == 1


def test_nets_outlive_the_solver(solver_file) -> None:
    solver = caffe.SGDSolver(solver_file)
    nets = [solver.net, *solver.test_nets]
    del solver
    for net in nets:
        net.forward()
        assert sum(p.data.sum() for ps in net.params.values() for p in ps) == 0


@pytest.mark.parametrize('name', ['SGD', 'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta', 'Adam'])
def test_types(write, tmp_path, solver_file, name) -> None:
    text = (tmp_path / 'solver.prototxt').read_text().replace('momentum: 0.5', '')
    more = ' rms_decay: 0.9' if name == 'RMSProp' else ' momentum: 0.9'
    if name == 'AdaGrad':
        more = ''
    path = write(f'{text} type: "{name}"{more} momentum2: 0.99 delta: 1e-6', 'typed.prototxt')
    solver = caffe.get_solver(path)
    kind = getattr(caffe, f'{name}Solver')
    assert isinstance(solver, kind) and isinstance(kind(path), kind)
    solver.step(2)
    assert solver.net.params['fc'][0].data.any()


def test_missing_solver_file() -> None:
    for make in (caffe.get_solver, caffe.SGDSolver):
        with pytest.raises(RuntimeError, match='Could not open file nowhere.prototxt'):
            make('nowhere.prototxt')
