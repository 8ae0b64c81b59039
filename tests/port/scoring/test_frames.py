"""port.scoring.frames: histograms frame by frame, and the bootstrap of mean IU over them."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_array

from port.scoring.frames import FrameScores, bootstrap, mean_ius
from port.scoring.metrics import Scores

RNG = np.random.default_rng(3)
HISTS = RNG.integers(0, 50, (12, 4, 4))
HISTS[:, 3] = 0                     # a class that the truth lacks
TABLE = csr_array(HISTS.reshape(12, -1))


def test_mean_ius_are_those_of_the_scores() -> None:
    np.testing.assert_allclose(mean_ius(HISTS), [Scores(hist).mean_iu for hist in HISTS])
    assert np.isnan(mean_ius(np.zeros((1, 3, 3)))).all()


def test_the_interval_is_that_of_lists_drawn_one_by_one() -> None:
    rng, drawn = np.random.default_rng(8), []
    for _ in range(4000):
        picked = rng.integers(0, len(HISTS), len(HISTS))
        drawn.append(Scores(sum(HISTS[i] for i in picked)).mean_iu)
    low, high = bootstrap(TABLE, draws=4000)
    assert low == pytest.approx(np.quantile(drawn, 0.025), abs=0.004)   # 4,000 draws tell so much
    assert high == pytest.approx(np.quantile(drawn, 0.975), abs=0.004)
    assert low < Scores(HISTS.sum(0)).mean_iu < high
    assert bootstrap(TABLE) == bootstrap(TABLE)


def test_lists_drawn_some_at_a_time_are_those_drawn_at_once(monkeypatch) -> None:
    few = bootstrap(TABLE, draws=120)
    monkeypatch.setattr('port.scoring.frames.AT_ONCE', 1000)
    assert bootstrap(TABLE, draws=120) == few


def test_what_is_kept_of_a_frame_does_not_grow_with_the_classes() -> None:
    frames, truth = FrameScores('score'), np.full((30, 30), 599)
    frames.see('a', 'score', truth, truth * 0, 600)
    assert sum(part.nbytes for part in frames.counts['a']) == 8
    assert frames.table().toarray().reshape(600, 600)[599, 0] == 900


def test_frames_that_are_alike_leave_no_doubt() -> None:
    low, high = bootstrap(csr_array(np.repeat(HISTS[:1].reshape(1, -1), 9, 0)))
    assert low == pytest.approx(high) and low == pytest.approx(Scores(HISTS[0]).mean_iu)


def test_each_frame_is_written(tmp_path: Path) -> None:
    frames = FrameScores('score')
    truth = np.array([[0, 0, 1], [1, 255, 1]])
    frames.see('a', 'score', truth, np.array([[0, 1, 1], [1, 0, 1]]), 3)
    frames.see('a', 'other', truth, truth * 0, 3)
    frames.see('a', 'score', truth, np.array([[2, 2, 2], [2, 2, 2]]), 3)
    frames.write(tmp_path / 'frames.csv', ('sky', 'road', 'car'))
    with (tmp_path / 'frames.csv').open() as file:
        rows = list(csv.reader(file))
    assert rows == [['frame', 'pixels', 'mean IU', 'sky', 'road', 'car'],
                    ['a', '5', '62.50', '50.00', '75.00', ''],
                    ['a+', '5', '0.00', '0.00', '0.00', '']]
