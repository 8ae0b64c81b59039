"""The histogram, the four metrics of the paper, and their tables."""

import json
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch

from port.scoring.metrics import Scores, fast_hist, largest

HIST = np.array([[50, 3, 0, 2], [4, 20, 0, 1], [0, 0, 0, 0], [5, 0, 6, 9]])


def test_hist_counts_truth_by_prediction_and_leaves_void_out() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.choice([0, 1, 2, 255, -1], 400), rng.integers(0, 3, 400)
    plain = np.zeros((3, 3), int)
    for t, p in zip(truth, predicted, strict=True):
        if t in (0, 1, 2):
            plain[t, p] += 1
    assert np.array_equal(fast_hist(truth, predicted, 3), plain)
    assert np.array_equal(fast_hist(truth.astype(np.float32), predicted, 3), plain)


def test_hist_refuses_what_does_not_fit() -> None:
    with pytest.raises(ValueError, match='truth has 3 pixels but the prediction 4'):
        fast_hist(np.zeros(3), np.zeros(4), 2)
    with pytest.raises(ValueError, match=r'outside the 2 classes: 0\.\.2'):
        fast_hist(np.zeros(2), np.array([0, 2]), 2)


def test_the_four_metrics(plain_metrics: Callable) -> None:
    scores = Scores(HIST)
    np.testing.assert_allclose(list(scores.metrics.values()), plain_metrics(HIST), rtol=1e-12)
    assert list(scores.metrics) == ['pixel accuracy', 'mean accuracy', 'mean IU', 'f.w. IU']
    assert math.isnan(scores.class_iu[2]) and math.isnan(scores.class_acc[2])


def test_a_class_that_is_only_predicted_does_not_count(plain_metrics: Callable) -> None:
    assert HIST[2].sum() == 0 and HIST[:, 2].sum() > 0
    assert Scores(HIST).mean_iu == pytest.approx(plain_metrics(HIST)[2])


def test_nothing_counted_is_nan() -> None:
    scores = Scores(np.zeros((3, 3)))
    assert all(math.isnan(value) for value in scores.metrics.values())
    assert scores.as_dict()['mean_IU'] is None


def test_tables() -> None:
    scores = Scores(HIST, ('ground', 'car', 'moon', 'cat'), loss=1.5)
    assert re.search(r'^pixel accuracy +79\.00$', scores.text(), re.M)
    assert re.search(r'^moon +- +- +0$', scores.text(), re.M)
    assert re.search(r'^ground +78\.12 +90\.91 +55$', scores.text(), re.M)
    assert '| ground | 78.12 | 90.91 | 55 |' in scores.markdown()
    found = json.loads(scores.json())
    assert found['pixel_accuracy'] == pytest.approx(.79) and found['loss'] == 1.5
    assert found['classes'][2] == {'class': 'moon', 'iu': None, 'accuracy': None, 'pixels': 0}
    assert found['hist'] == HIST.tolist()
    assert [key for key in found if 'IU' in key] == ['mean_IU', 'fw_IU']


def test_shapes_and_names_are_checked() -> None:
    with pytest.raises(ValueError, match='3 class names for a histogram of 4'):
        Scores(HIST, ('a', 'b', 'c'))
    with pytest.raises(ValueError, match=r'got shape \(2, 3\)'):
        Scores(np.zeros((2, 3)))


@pytest.mark.parametrize('shape', [(21, 30, 41), (2, 5, 7), (1, 4, 4), (60, 9, 9)])
def test_the_largest_score_is_argmaxs_also_of_equal_ones(shape: tuple[int, int, int]) -> None:
    draw = np.random.default_rng(1)
    for scores in (draw.integers(0, 3, shape).astype('f'), draw.standard_normal(shape).astype('f')):
        scores[-1, 0, 0], scores[0, 1, 1] = math.inf, math.nan
        expected = scores.argmax(0)
        assert np.array_equal(largest(scores), expected)
        assert np.array_equal(largest(torch.from_numpy(scores)), expected)
        pair = torch.from_numpy(np.stack([scores, scores[::-1]]))
        assert np.array_equal(largest(pair, 1)[0], expected)
