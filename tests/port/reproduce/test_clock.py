"""port.reproduce.reproduction.Clock: how long is left, and where it is told."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from port.reproduce import reproduction as run
from port.reproduce.recipe import Settings, Stage, chain
from port.reproduce.reproduction import Clock
from port.scoring.evaluate import Evaluation
from port.scoring.metrics import Scores


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that goes on when told."""
    seconds = [0.0]
    monkeypatch.setattr(run, 'time', SimpleNamespace(monotonic=lambda: seconds[0]))
    return seconds


def stage(name: str, out: Path, **more: object) -> Stage:
    (found,) = chain(Settings(name, '.', **{'width': 0.5, 'block': 10, 'blocks': 2, **more}), out)
    return found


def ticked(clock: Clock, of: Stage, now: list[float], count: int, seconds: float) -> Clock:
    for iteration in range(1, count + 1):
        now[0] += seconds
        clock.tick(of, iteration, 1.0)
    return clock


def test_scoring_counts_before_the_first(tmp_path, now):
    of = stage('voc-fcn32s', tmp_path)
    clock = ticked(Clock([of], images=6), of, now, 5, 3.0)
    assert clock.left() == pytest.approx(15 * 3 + 2 * 6 * 1.0)     # a third of a step an image
    whole = ticked(Clock([of]), of, now, 5, 3.0)
    assert whole.left() == pytest.approx(15 * 3 + 2 * 736 * 1.0)
    clock.note(Evaluation(10, {'score': Scores(np.eye(2))}, seconds=8.0))
    assert clock.left() == pytest.approx(15 * 3 + 8.0)             # as it was measured


def test_a_step_of_many_images_is_shared_among_them(tmp_path, now):
    of = stage('accum', tmp_path, block=200)
    assert ticked(Clock([of], 4), of, now, 2, 60.0).left() == pytest.approx(18 * 60 + 2 * 4 * 1.0)
    batch = stage('camvid-fcn-basic', tmp_path, block=120)
    assert batch.row.batch == 12
    clock = ticked(Clock([batch], 4), batch, now, 2, 36.0)
    assert clock.left() == pytest.approx(18 * 36 + 2 * 4 * 1.0)


def test_off_a_terminal_the_estimate_is_told_once_a_minute(tmp_path, now, capsys):
    of = replace(stage('voc-fcn32s', tmp_path), block=200)
    ticked(Clock([of], images=3), of, now, 14, 10.0)
    out, err = capsys.readouterr()
    assert out == ''
    assert err.splitlines() == [
        'voc-fcn32s 6/400: loss 1, 1 h 6 min left in all',
        'voc-fcn32s 12/400: loss 1, 1 h 5 min left in all']
