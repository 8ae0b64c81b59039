"""UniqueLabel against Python's sets; labels take no gradient."""

import numpy as np
import pytest

TEXT = 'type: "UniqueLabel" unique_label_param {{ {} }}'


def test_against_sets(drive):
    x = np.random.RandomState(0).choice([0, 3, 7, 255], (4, 1, 2, 2))
    options = 'max_labels: 6 ignore_label: 255 ignore_label: 7 force_label: 0 force_label: 5'
    (y,) = drive(TEXT.format(options), [x]).forward()
    assert y.shape == (4, 6, 1, 1)
    for image, row in zip(x, y, strict=True):
        want = sorted(set(image.ravel().tolist()) - {7, 255} | {0, 5})
        assert row.ravel().tolist() == want + [-1] * (6 - len(want))


def test_refusals_and_no_gradient(drive):
    x = np.arange(4.0).reshape(1, 1, 2, 2)
    with pytest.raises(ValueError, match='holds 4 labels; raise max_labels, which is 3'):
        drive(TEXT.format('max_labels: 3'), [x]).forward()
    with pytest.raises(ValueError, match='more than the 2 of force_label'):
        drive(TEXT.format('max_labels: 2 force_label: [1, 2]'), [x])
    with pytest.raises(ValueError, match='expected N x 1 x H x W'):
        drive(TEXT.format('max_labels: 9'), [np.zeros((1, 2, 3, 3))]).forward()
    driven = drive(TEXT.format('max_labels: 9'), [x])
    with pytest.raises(ValueError, match='cannot backpropagate'):
        driven.backward(driven.forward())
