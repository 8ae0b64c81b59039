"""port.scoring.training_curve: the table, the picture and the best weights of a training."""

import csv
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.generate import write_variant
from port.data.scenes import draw_dataset
from port.engine.net import Net
from port.engine.starting_weights import prepare
from port.scoring.metrics import Scores
from port.scoring.training_curve import TrainingCurve, keep_last, never_predicted
from port.training.solver import Solver

pytestmark = pytest.mark.usefixtures('one_thread')


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    """A narrow voc-fcn32s on four small scenes."""
    out = tmp_path_factory.mktemp('curve')
    data = draw_dataset(out / 'data', 4, 2, (48, 64))
    write_variant('voc-fcn32s', out, solver_options=dict(
        base_lr=1e-7, max_iter=6, snapshot=2, snapshot_prefix='snapshot/train', test_iter=2,
        random_seed=3), width=0.03125, data_root={
            'sbdd_dir': str(data / 'sbdd/dataset'), 'voc_dir': str(data / 'pascal/VOC2011')})
    return out


def solver_of(folder: Path, out: Path) -> Solver:
    made = Solver(folder / 'solver.prototxt')
    made.prefix = str(out / 'train')
    prepare(made.net)
    return made


def watched(folder: Path, out: Path, every: int, state: str = '') -> tuple[Solver, TrainingCurve]:
    solver = solver_of(folder, out)
    if state:
        solver.restore(state)
    curve = TrainingCurve(solver, out / 'log.csv', out / 'curve.png', out / 'best.caffemodel',
                          every)
    solver.on_iteration.append(curve)
    return solver, curve


def rows(out: Path) -> list[dict[str, str]]:
    with (out / 'log.csv').open(newline='') as file:
        return list(csv.DictReader(file))


def test_what_is_left_behind_and_that_it_only_looks_on(folder: Path, tmp_path: Path) -> None:
    plain = solver_of(folder, tmp_path / 'plain')
    plain.solve()
    solver, curve = watched(folder, tmp_path, 4)
    solver.solve()
    for name, blobs in plain.net.params.items():
        for one, other in zip(blobs, solver.net.params[name], strict=True):
            assert np.array_equal(one.data, other.data)
    found = rows(tmp_path)
    assert [row['iteration'] for row in found] == [str(i) for i in range(1, 7)]
    assert [bool(row['mean IU']) for row in found] == [False, False, False, True, False, True]
    best = max(float(row['mean IU']) for row in found if row['mean IU'])   # of six digits
    assert curve.best == pytest.approx(best, rel=1e-5)
    Net(folder / 'deploy.prototxt', weights=tmp_path / 'best.caffemodel')
    with Image.open(tmp_path / 'curve.png') as picture:
        assert picture.width > 300


def test_going_on_keeps_the_rows_before(folder: Path, tmp_path: Path) -> None:
    whole, _ = watched(folder, tmp_path, 2)
    whole.solve()
    before = rows(tmp_path)
    state = str(tmp_path / 'train_iter_4.solverstate')
    again, curve = watched(folder, tmp_path, 2, state)
    assert [row['iteration'] for row in curve.rows] == [1, 2, 3, 4]
    again.solve()
    assert rows(tmp_path) == before
    fresh, curve = watched(folder, tmp_path, 2)
    assert curve.rows == [] and not (tmp_path / 'best.caffemodel').exists()


def test_a_full_disk_does_not_stop_a_training(folder: Path, tmp_path: Path, monkeypatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr('port.scoring.training_curve.write_atomic', full)
    solver, _ = watched(folder, tmp_path, 0)
    solver.step(2)
    assert solver.iteration == 2 and not (tmp_path / 'log.csv').exists()


def test_classes_that_are_never_predicted(folder: Path, tmp_path: Path, caplog) -> None:
    hist = np.array([[6, 2, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]])
    found = never_predicted(Scores(hist, ('road', 'car', 'pole', 'sky')))
    assert found == {'pole': pytest.approx(0.1)}            # sky does not occur
    solver, _ = watched(folder, tmp_path, 2)
    with caplog.at_level(logging.WARNING, 'port.curve'):
        solver.solve()
    told = [record.getMessage() for record in caplog.records if 'never' in record.getMessage()]
    assert 1 <= len(told) <= 2 and told[0].startswith('iteration 4: never predicted: ')
    assert '% of the pixels of val' in told[0] and 'fcn new --balance' in told[0]


def test_only_the_last_snapshot_stays(folder: Path, tmp_path: Path) -> None:
    solver = solver_of(folder, tmp_path)
    solver.on_snapshot.append(keep_last(solver))
    (tmp_path / 'train_best.caffemodel').touch()
    (tmp_path / 'other_iter_1.caffemodel').touch()
    solver.solve()
    assert {path.name for path in tmp_path.iterdir()} == {
        'train_best.caffemodel', 'other_iter_1.caffemodel', 'train_iter_6.caffemodel',
        'train_iter_6.solverstate'}
