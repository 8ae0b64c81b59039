"""LRN against Caffe's recorded numbers, a plain transcription, and central differences."""

import numpy as np
import pytest

FLOAT32 = 1e-5


@pytest.mark.parametrize('name', ['lrn_across', 'lrn_across_big_alpha', 'lrn_within'])
def test_caffe_recorded(recorded, name):
    recorded(name)


def across(x: np.ndarray, n: int, alpha: float, beta: float, k: float) -> np.ndarray:
    y = np.zeros(x.shape)
    for c in range(x.shape[1]):
        near = x[:, max(0, c - n // 2):c + n // 2 + 1]
        y[:, c] = x[:, c] / (k + alpha / n * (near ** 2).sum(1)) ** beta
    return y


def within(x: np.ndarray, n: int, alpha: float, beta: float, k: float) -> np.ndarray:
    """As Caffe composes it: the average of squares divides by n x n at the borders too."""
    y = np.zeros(x.shape)
    for h, w in np.ndindex(x.shape[2:]):
        near = x[:, :, max(0, h - n // 2):h + n // 2 + 1, max(0, w - n // 2):w + n // 2 + 1]
        mean = (near ** 2).sum((2, 3)) / (n * n)
        y[:, :, h, w] = x[:, :, h, w] * (1 + alpha * mean) ** -beta
    return y


REGIONS = [('ACROSS_CHANNELS', across), ('WITHIN_CHANNEL', within)]
OPTIONS = [(5, 1., .75, 1.), (3, 2., .5, 2.), (1, .5, 1.5, .1), (7, 1e-4, .75, 1.),
           (3, 0., .75, 1.)]


def text(region: str, n: int, alpha: float, beta: float, k: float) -> str:
    return (f'type: "LRN" lrn_param {{ norm_region: {region} local_size: {n} alpha: {alpha} '
            f'beta: {beta} k: {k} }}')


@pytest.mark.parametrize('region, plain', REGIONS)
@pytest.mark.parametrize('options', OPTIONS)
@pytest.mark.parametrize('shape', [(2, 6, 5, 4), (1, 2, 3, 1)])
def test_equals_the_definition(drive, region, plain, options, shape):
    x = 3 * np.random.RandomState(0).standard_normal(shape)
    (y,) = drive(text(region, *options), [x]).forward()
    np.testing.assert_allclose(y, plain(x, *options), atol=FLOAT32)


@pytest.mark.parametrize('region, plain', REGIONS)
@pytest.mark.parametrize('options', OPTIONS)
def test_gradient(check_gradient, region, plain, options):
    x = np.random.RandomState(1).standard_normal((1, 4, 3, 4))
    check_gradient(text(region, *options), [x])


def test_checks(drive):
    with pytest.raises(ValueError, match='local_size is 4; expected an odd number'):
        drive(text('ACROSS_CHANNELS', 4, 1, 1, 1), [np.zeros((1, 1, 2, 2))])
    with pytest.raises(ValueError, match='must have 4 axes'):
        drive(text('ACROSS_CHANNELS', 3, 1, 1, 1), [np.zeros((1, 1, 2))]).forward()
