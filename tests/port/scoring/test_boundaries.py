"""port.scoring.boundaries, against loops over pixels and pictures whose answer is plain."""

import math

import numpy as np
import pytest

from port.scoring.boundaries import (
    BoundaryScores,
    class_f1,
    distance_to,
    neighbours_differ,
    outline_f1,
)
from port.scoring.metrics import Scores, fast_hist

RNG = np.random.default_rng(4)
PATCHES = np.kron(RNG.integers(0, 3, (6, 8)), np.ones((7, 9), int))
PATCHES[10:14, 20:40] = 255
GUESS = np.roll(PATCHES, 2, 1) % 3
KNOWN = PATCHES < 3


def edge_by_hand(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    found = np.zeros(labels.shape, bool)
    high, wide = labels.shape
    for y in range(high):
        for x in range(wide):
            for v, u in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)):
                if 0 <= v < high and 0 <= u < wide and known[y, x] and known[v, u]:
                    found[y, x] |= labels[y, x] != labels[v, u]
    return found


def away_by_hand(points: np.ndarray) -> np.ndarray:
    places = np.argwhere(points)
    return np.array([[min(math.hypot(y - v, x - u) for v, u in places)
                      for x in range(points.shape[1])] for y in range(points.shape[0])])


def test_pixels_beside_another_label() -> None:
    everything = np.ones(PATCHES.shape, bool)
    assert np.array_equal(neighbours_differ(PATCHES), edge_by_hand(PATCHES, everything))
    assert np.array_equal(neighbours_differ(PATCHES, KNOWN), edge_by_hand(PATCHES, KNOWN))


def test_distances() -> None:
    points = np.zeros((9, 12), bool)
    points[2, 3] = points[7, 10] = True
    np.testing.assert_allclose(distance_to(points), away_by_hand(points))
    assert np.isinf(distance_to(np.zeros((3, 3), bool))).all()


def test_bands_hold_so_many_pixels_on_each_side() -> None:
    truth = np.zeros((40, 60), int)
    truth[:, 30:] = 1
    scores = BoundaryScores('score', bands=(2, 4, 100))
    predicted = np.zeros_like(truth)
    predicted[:, 31:] = 1                               # a column too late
    scores.see('a', 'score', truth, predicted, 2)
    assert [scores.hists[w].sum() for w in (2, 4, 100)] == [40 * 4, 40 * 8, 40 * 60]
    assert scores.hists[2].tolist() == [[80, 0], [40, 40]]
    assert scores.band_iu()[2] == pytest.approx((80 / 120 + 40 / 80) / 2)
    assert scores.band_iu()[100] == pytest.approx(Scores(fast_hist(truth, predicted, 2)).mean_iu)


def test_void_is_a_boundary_and_is_not_scored() -> None:
    scores = BoundaryScores('score', bands=(3,))
    scores.see('a', 'score', PATCHES, GUESS, 3)
    inside = away_by_hand(neighbours_differ(PATCHES)) < 3
    assert np.array_equal(scores.hists[3], fast_hist(PATCHES[inside], GUESS[inside], 3))


def test_f1_by_hand() -> None:
    found = class_f1(PATCHES, GUESS, 3, 1.5)
    for c in range(3):
        true_edge = edge_by_hand(PATCHES == c, KNOWN) & (PATCHES == c)
        mine = edge_by_hand((GUESS == c) & KNOWN, KNOWN) & (GUESS == c) & KNOWN
        precision = (away_by_hand(true_edge)[mine] <= 1.5).mean()
        recall = (away_by_hand(mine)[true_edge] <= 1.5).mean()
        assert 0 < precision < 1 and found[c] == pytest.approx(
            2 * precision * recall / (precision + recall))


def test_f1_of_the_truth_is_one_and_of_nothing_is_none() -> None:
    assert class_f1(PATCHES, PATCHES, 4, 0).tolist()[:3] == [1, 1, 1]
    assert math.isnan(class_f1(PATCHES, PATCHES, 4, 0)[3])
    assert outline_f1(PATCHES == 0, np.zeros_like(KNOWN), KNOWN, 5) == 0.0
    flat = np.zeros((5, 5), int)
    scores = BoundaryScores('score')
    scores.see('a', 'score', flat, flat, 2)
    assert math.isnan(scores.mean_f1()) and np.isnan(scores.mean_class_f1()).all()


def test_f1_is_averaged_over_classes_then_frames_and_the_tolerance_is_said() -> None:
    scores = BoundaryScores('score', tolerance=1.5)
    scores.see('a', 'score', PATCHES, GUESS, 3)
    scores.see('a', 'other', PATCHES, PATCHES, 3)
    scores.see('b', 'score', PATCHES, PATCHES, 3)
    assert scores.mean_f1() == pytest.approx((class_f1(PATCHES, GUESS, 3, 1.5).mean() + 1) / 2)
    np.testing.assert_allclose(scores.mean_class_f1(), (class_f1(PATCHES, GUESS, 3, 1.5) + 1) / 2)
    assert BoundaryScores('score').pixels((360, 480)) == 4.5
