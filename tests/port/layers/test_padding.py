"""Padding against numpy's pad and slices, and central differences."""

import numpy as np
import pytest

TEXT = 'type: "Padding" padding_param {{ pad_beg: {} pad_end: {} }}'


@pytest.mark.parametrize('first, last', [(2, 1), (0, 3), (0, 0)])
def test_adds_zeros(drive, check_gradient, first, last):
    x = np.random.RandomState(0).standard_normal((2, 3, 4, 5))
    (y,) = drive(TEXT.format(first, last), [x]).forward()
    np.testing.assert_allclose(y, np.pad(x, ((0, 0), (0, 0), (first, last), (first, last))),
                               rtol=1e-6)
    check_gradient(TEXT.format(first, last), [x])


@pytest.mark.parametrize('first, last', [(-1, -2), (0, -1), (-2, 0)])
def test_cuts(drive, check_gradient, first, last):
    x = np.random.RandomState(1).standard_normal((1, 2, 5, 6))
    (y,) = drive(TEXT.format(first, last), [x]).forward()
    np.testing.assert_allclose(y, x[:, :, -first:5 + last, -first:6 + last], rtol=1e-6)
    check_gradient(TEXT.format(first, last), [x])


def test_the_top_is_memory_of_its_own(drive):
    driven = drive(TEXT.format(0, 0), [np.ones((1, 1, 2, 2))])
    driven.forward()
    assert driven.top[0].data.data_ptr() != driven.bottom[0].data.data_ptr()


@pytest.mark.parametrize('first, last, words', [
    (1, -1, 'both to add .* or both to cut'), (-3, -2, r'is \[0, 1\] after padding')])
def test_refusals(drive, first, last, words):
    with pytest.raises(ValueError, match=words):
        drive(TEXT.format(first, last), [np.zeros((1, 1, 5, 6))]).forward()
    with pytest.raises(ValueError, match='must have 4 axes'):
        drive(TEXT.format(1, 1), [np.zeros((5, 6))]).forward()
