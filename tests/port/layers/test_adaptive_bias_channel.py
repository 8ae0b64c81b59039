"""AdaptiveBiasChannel against its steps written out for one order of the classes; no gradient."""

import numpy as np
import pytest
import torch

TEXT = 'type: "AdaptiveBiasChannel" adaptive_bias_channel_param {{ {} }}'


def scores(seed: int = 0, classes: int = 5) -> np.ndarray:
    return np.random.RandomState(seed).standard_normal((1, classes, 6, 7))


def labels(*of: int) -> np.ndarray:
    return np.array(of).reshape(1, -1, 1, 1)


def adapted(x: np.ndarray, order: list[int], bg: float, fg: float, turns: int,
            margin: float | None) -> np.ndarray:
    """Raise the classes in this order; scores C x H x W in double precision."""
    x = x.copy()
    if margin is not None:
        least = x[order].min(0)
        for c in set(range(len(x))) - set(order):
            x[c] = np.where(x[c] > least, least - margin, x[c])
    best = x[order].max(0)
    before = best.mean()
    for label in order * turns:
        lack = np.sort((best - x[label]).ravel())
        x[label] += lack[int((fg if label else bg) * lack.size)]
        best = np.maximum(best, x[label])
    return x + before - best.mean()


@pytest.mark.parametrize('options, margin', [('', 1e-5), ('margin_others: 2', 2),
                                             ('suppress_others: false', None)])
@pytest.mark.parametrize('turns', [1, 3])
def test_background_and_one_class(drive, options, margin, turns):
    """With one class beside the background the order is no matter of chance."""
    x = scores()
    given = f'{options} num_iter: {turns} bg_portion: 0.4 fg_portion: 0.3'
    (y,) = drive(TEXT.format(given), [x, labels(3, -1, 0)], dtype=torch.float64).forward()
    np.testing.assert_allclose(y[0], adapted(x[0], [0, 3], .4, .3, turns, margin), atol=1e-6)


def test_each_class_wins_its_share(drive):
    """After its turn a class is best in the asked portion of the pixels; the last keeps it."""
    x = scores(3, 6)
    (y,) = drive(TEXT.format('fg_portion: 0.5'), [x, labels(1, 2, 4)]).forward()
    wins = [(y[0].argmax(0) == c).mean() for c in range(6)]
    assert max(wins) >= 0.5 and wins[0] == wins[3] == wins[5] == 0
    best = x[0, [1, 2, 4]].max(0).mean()
    np.testing.assert_allclose(y[0, [1, 2, 4]].max(0).mean(), best, atol=1e-5)


def test_the_whole_portion_takes_the_last_pixel(drive):
    x = scores(4)
    (y,) = drive(TEXT.format('fg_portion: 1'), [x, labels(2)]).forward()
    np.testing.assert_allclose(y[0, 2], x[0, 2], atol=1e-5)      # alone it lacks nothing


def test_no_labels_no_change_and_no_gradient(drive):
    x = scores(5)
    driven = drive(TEXT.format(''), [x, labels(-1, -1)], dtype=torch.float64)
    assert np.array_equal(driven.forward()[0], x)
    driven.backward([np.ones_like(x)], [True, False])
    assert not driven.bottom[0].diff.any()


def test_refusals(drive):
    for options, words in (('num_iter: 0', 'num_iter'), ('bg_portion: 1.5', 'bg_portion is 1.5'),
                           ('fg_portion: -1', 'fg_portion'), ('margin_others: -1', 'margin')):
        with pytest.raises(ValueError, match=words):
            drive(TEXT.format(options), [scores(), labels(1)])
    with pytest.raises(ValueError, match='label 5 is no class'):
        drive(TEXT.format(''), [scores(), labels(5)]).forward()
    with pytest.raises(ValueError, match='at least 2 classes'):
        drive(TEXT.format(''), [scores(classes=1), labels(0)]).forward()
