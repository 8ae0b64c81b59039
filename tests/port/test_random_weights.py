"""Weights for nets without any: the same for a seed, and of a scale that keeps scores alive."""

import numpy as np
import pytest

from netspec.fcn import fcn
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.net import Net
from port.random_weights import random_weights
from surgery import upsample_filt

WIDTH = 1 / 16


def deploy(name: str, seed: int) -> Net:
    net = Net(fcn(name, 'deploy', width=WIDTH), TEST)
    random_weights(net, seed)
    return net


def values(net: Net) -> np.ndarray:
    return np.concatenate([b.arrays('data').ravel() for blobs in net.params.values()
                           for b in blobs])


def test_the_seed_decides() -> None:
    one, same, other = (values(deploy('voc-fcn16s', seed)) for seed in (5, 5, 6))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_scale_of_he() -> None:
    net = deploy('voc-fcn32s', 0)
    first, weight = (net.params[name][0].arrays('data') for name in ('conv1_1', 'fc6'))
    assert first.std() == pytest.approx((2 / first[0].size) ** .5, rel=.15)
    assert weight.std() == pytest.approx((2.934 / weight[0].size) ** .5, rel=.02)
    np.testing.assert_allclose(weight.sum((1, 2, 3)), 0, atol=1e-4)
    assert net.params['score_fr'][0].arrays('data').std() > 0


def test_upsampling_is_bilinear_and_factors_stay() -> None:
    net = deploy('voc-fcn8s-atonce', 1)
    kernel = net.params['upscore8'][0].arrays('data')
    np.testing.assert_allclose(kernel[3, 3], upsample_filt(16), rtol=1e-6)
    assert not kernel[3, 4].any()
    assert set(net.params['scale_pool3'][0].arrays('data')) == {np.float32(1e-4)}


@pytest.mark.parametrize('name', VARIANTS)
def test_scores_are_neither_zero_nor_of_one_class(name: str) -> None:
    net = deploy(name, 5)
    random = np.random.RandomState(1)
    shapes = {b: (1, net.blobs[b].shape[1], *size(name)) for b in net.inputs}
    arrays = {b: random.uniform(-120, 120, shape) for b, shape in shapes.items()}
    for scores in net.forward(**arrays).values():
        assert np.isfinite(scores.numpy()).all() and scores.abs().max() > .1
        labels = scores.argmax(1).unique(return_counts=True)[1]
        assert len(labels) > 1 and labels.max() < .9 * labels.sum()


def size(name: str) -> tuple[int, int]:
    """Return a size that the net takes: SegNet's are made for 360 x 480."""
    return (360, 480) if 'basic' in name else (96, 128)
