"""A training to its end, to a stop, and to a failure: what each leaves, and says."""

import os
import signal
from pathlib import Path

import pytest

from netspec.schema import parse_solver
from port.training.job import run
from port.training.signals import Interrupted
from port.training.solver import NonFiniteLoss, Solver

NET = '''layer { name: "data" type: "DummyData" top: "data" top: "label" dummy_data_param {
  shape { dim: 2 dim: 3 } shape { dim: 2 dim: 1 } data_filler { value: 1 } data_filler { value: 2 }
} }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {
  num_output: 1 } }
layer { name: "loss" type: "EuclideanLoss" bottom: "ip" bottom: "label" top: "loss" }
'''


def solver(folder: Path, rate: str = '0.01', more: str = 'snapshot: 100') -> Solver:
    (folder / 'net.prototxt').write_text(NET)
    return Solver(parse_solver(f'net: "{folder}/net.prototxt" base_lr: {rate} lr_policy: "fixed" '
                               f'max_iter: 6 snapshot_prefix: "{folder}/s" {more}'),
                  finite=True)


def snapshots(made: Solver) -> list[int]:
    """Return a list that the iteration of each snapshot is put into."""
    found: list[int] = []
    made.on_snapshot.append(lambda: found.append(made.iteration))
    return found


def test_to_the_end(tmp_path: Path) -> None:
    made = solver(tmp_path)
    taken = snapshots(made)
    run(made, hidden=True)
    assert taken == [6] and made.iteration == 6
    assert Path(made.weights_path) == tmp_path / 's_iter_6.caffemodel'
    assert Path(made.weights_path).is_file()


def test_lines_tell_the_time_that_is_left(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setattr('port.training.job.FIRST', 0.0)
    run(solver(tmp_path), hidden=True, lines=True, name='voc')
    (line,) = capsys.readouterr().err.splitlines()       # the next is due in half a minute
    assert line.startswith('voc 1/6: loss ') and line.endswith(' left') and 's an iteration' in line
    run(solver(tmp_path), hidden=True)
    assert capsys.readouterr().err == ''


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_a_stop_leaves_a_snapshot_and_says_where(number: signal.Signals, tmp_path: Path) -> None:
    made = solver(tmp_path)
    made.on_iteration.append(lambda s, loss: s.iteration == 2 and os.kill(os.getpid(), number))
    with pytest.raises(Interrupted, match=r'iteration 2; its snapshot is .*s_iter_2.solverstate'):
        run(made, hidden=True)
    assert sorted(p.name for p in tmp_path.glob('s_*')) == ['s_iter_2.caffemodel',
                                                            's_iter_2.solverstate']
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)


@pytest.mark.parametrize('more', ['snapshot: 100', 'snapshot: 2', 'snapshot_after_train: false',
                                  'snapshot: 2 snapshot_after_train: false'])
def test_a_stop_leaves_one_snapshot_however_the_file_asks_for_them(more: str, tmp_path) -> None:
    made = solver(tmp_path, more=more)
    taken = snapshots(made)
    made.on_iteration.append(
        lambda s, loss: s.iteration == 2 and os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Interrupted):
        run(made, hidden=True)
    assert taken == [2] and (tmp_path / 's_iter_2.solverstate').is_file()


def test_a_hangup_snapshots_and_goes_on(tmp_path: Path) -> None:
    made = solver(tmp_path)
    taken = snapshots(made)
    made.on_iteration.append(
        lambda s, loss: s.iteration == 3 and os.kill(os.getpid(), signal.SIGHUP))
    run(made, hidden=True)
    assert taken == [3, 6]


def test_the_bar_counts_from_where_training_goes_on(tmp_path: Path, capsys) -> None:
    first = solver(tmp_path)
    first.step(2)
    first.snapshot()
    made = solver(tmp_path)
    made.restore(first.state_path)
    run(made)
    shown = capsys.readouterr().err
    assert 'train' in shown and '2/6' in shown and '6/6' in shown and 'loss ' in shown
    run(solver(tmp_path), hidden=True)
    assert capsys.readouterr().err == ''


def test_a_failure_names_the_last_snapshot(tmp_path: Path) -> None:
    made = solver(tmp_path, '1e30')
    with pytest.raises(NonFiniteLoss) as raised:
        run(made, hidden=True)
    assert 'the last snapshot would have been the first' in raised.value.__notes__[-1]
    assert raised.value.__notes__[-1].startswith('training stopped at iteration ')
    made = solver(tmp_path, '1e30', 'snapshot: 1')
    with pytest.raises(NonFiniteLoss) as raised:
        run(made, hidden=True)
    assert f'the last snapshot stays: {tmp_path}/s_iter_' in raised.value.__notes__[-1]
