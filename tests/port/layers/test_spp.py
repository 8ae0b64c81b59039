"""SPP against the pooling of its levels written out, and central differences."""

import numpy as np
import pytest

from netspec.schema.messages import TEST


def plain(x: np.ndarray, level: int, method: str) -> np.ndarray:
    """Pool into bins of ceil(size / 2^level), shifted back by the padding; Caffe's rounding."""
    edges = []
    for size in x.shape[2:]:
        kernel = int(np.ceil(size / 2. ** level))
        pad = (kernel * 2 ** level - size + 1) // 2
        starts = [i * kernel - pad for i in range(2 ** level)]
        edges.append([(max(0, s), min(s + kernel, size), min(s + kernel, size + pad) - s)
                      for s in starts])
    y = np.zeros((*x.shape[:2], 2 ** level, 2 ** level))
    for h, w in np.ndindex(y.shape[2:]):
        (top, bottom, high), (left, right, wide) = edges[0][h], edges[1][w]
        seen = x[:, :, top:bottom, left:right]
        y[:, :, h, w] = seen.max((2, 3)) if method == 'MAX' else seen.sum((2, 3)) / high / wide
    return y.reshape(len(x), -1)


def text(levels: int, method: str) -> str:
    return f'type: "SPP" spp_param {{ pyramid_height: {levels} pool: {method} }}'


@pytest.mark.parametrize('method', ['MAX', 'AVE'])
@pytest.mark.parametrize('levels, shape', [
    (2, (2, 3, 5, 6)), (3, (1, 2, 8, 7)), (3, (2, 1, 12, 11)), (4, (1, 1, 24, 16))])
def test_equals_the_definition(drive, method, levels, shape):
    x = np.random.RandomState(0).standard_normal(shape)
    (y,) = drive(text(levels, method), [x]).forward()
    expected = np.concatenate([plain(x, i, method) for i in range(levels)], 1)
    np.testing.assert_allclose(y, expected, atol=1e-5)


@pytest.mark.parametrize('method', ['MAX', 'AVE'])
@pytest.mark.parametrize('levels', [1, 2, 3])
def test_gradient(check_gradient, method, levels):
    x = np.random.RandomState(1).permutation(2 * 4 * 7).reshape(1, 2, 4, 7) / 10.
    check_gradient(text(levels, method), [x])


def test_one_level_keeps_four_axes(drive):
    x = np.random.RandomState(2).standard_normal((2, 3, 4, 5))
    (y,) = drive(text(1, 'MAX'), [x]).forward()
    np.testing.assert_array_equal(y, x.astype('float32').max((2, 3), keepdims=True))


def test_the_length_does_not_follow_the_image(drive):
    driven = drive(text(2, 'MAX'), [np.zeros((1, 2, 6, 6))])
    assert driven.forward()[0].shape == (1, 2 * 5)
    driven.arrays[0] = np.zeros((3, 2, 10, 14))
    assert driven.forward()[0].shape == (3, 2 * 5)


def test_stochastic(drive):
    x = np.random.RandomState(3).uniform(1, 2, (1, 2, 4, 4)).astype('float32')
    (y,) = drive(text(2, 'STOCHASTIC'), [x]).forward()
    assert np.isin(y, x).all()
    (mean,) = drive(text(1, 'STOCHASTIC'), [x], TEST).forward()
    np.testing.assert_allclose(mean.ravel(), ((x ** 2).sum((2, 3)) / x.sum((2, 3))).ravel(), 1e-5)


@pytest.mark.parametrize('levels, shape, words', [
    (0, (1, 1, 4, 4), 'pyramid_height must be given'),
    (2, (1, 1, 4), 'must have 4 axes'),
    (3, (1, 1, 5, 5), 'must be smaller than the kernel'),   # Caffe's own limit: pad 2, kernel 2
])
def test_checks(drive, levels, shape, words):
    with pytest.raises(ValueError, match=words):
        drive(text(levels, 'MAX'), [np.zeros(shape)]).forward()


@pytest.mark.parametrize('height', [4, 5, 40, 2_000_000_000])
def test_a_pyramid_higher_than_the_image(drive, height):
    """Level 3 would cut 7 rows into 8 bins; refused before 2^height is computed."""
    with pytest.raises(ValueError, match=f'pyramid_height is {height}; expected 1 to 3'):
        drive(text(height, 'MAX'), [np.zeros((1, 1, 7, 9))]).forward()
