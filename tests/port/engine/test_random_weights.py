"""Weights for nets without any: the same for a seed, and of a scale that keeps scores alive."""

import numpy as np
import pytest

from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from surgery import upsample_filt

# Nets of 1,350 layers take their time.
BIG = [name for name, row in VARIANTS.items() if row.trunk == 'resnet101' and row.grid > 8]

WIDTH = 1 / 16


def deploy(name: str, seed: int) -> Net:
    net = Net(make_net(name, 'deploy', width=WIDTH), TEST)
    random_weights(net, seed)
    return net


def values(net: Net) -> np.ndarray:
    return np.concatenate([b.arrays('data').ravel() for blobs in net.params.values()
                           for b in blobs])


def test_the_seed_decides() -> None:
    one, same, other = (values(deploy('voc-fcn16s', seed)) for seed in (5, 5, 6))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_scale_of_he() -> None:
    """Filters that see all, .16 or none of 1 / pi of their inputs' mean square."""
    net = deploy('voc-fcn32s', 0)
    first, weight, score = (net.params[name][0].arrays('data')
                            for name in ('conv1_1', 'fc6', 'score_fr'))
    assert first.std() == pytest.approx((2 / first[0].size) ** .5, rel=.15)
    assert weight.std() == pytest.approx((2.731 / weight[0].size) ** .5, rel=.02)
    assert score.std() == pytest.approx((2.934 / score[0].size) ** .5, rel=.02)
    np.testing.assert_allclose(score.sum((1, 2, 3)), 0, atol=1e-4)
    sums = weight.sum((1, 2, 3)).std()
    assert sums == pytest.approx(.4 * 2.731 ** .5, rel=.15)


def test_upsampling_is_bilinear_and_factors_stay() -> None:
    net = deploy('voc-fcn8s-atonce', 1)
    kernel = net.params['upscore8'][0].arrays('data')
    np.testing.assert_allclose(kernel[3, 3], upsample_filt(16), rtol=1e-6)
    assert not kernel[3, 4].any()
    assert set(net.params['scale_pool3'][0].arrays('data')) == {np.float32(1e-4)}


@pytest.mark.parametrize('name', [
    pytest.param(name, marks=[pytest.mark.slow] * (name in BIG)) for name in VARIANTS])
def test_scores_are_neither_zero_nor_of_one_class(name: str) -> None:
    """A head of three classes behind a sixteenth of the channels may be, but not for most seeds."""
    if not varies(name, 5):
        assert varies(name, 6) and varies(name, 7)


def varies(name: str, seed: int) -> bool:
    """Return whether less than nine tenths of each output's pixels are of one class."""
    net, random, (height, width) = deploy(name, seed), np.random.RandomState(1), size(name)
    found = []
    for scores in net.forward(**{name: random.uniform(-120, 120, (
            1, net.blobs[name].shape[1], height, width)) for name in net.inputs}).values():
        assert np.isfinite(scores.numpy()).all() and scores.abs().max() > .1
        labels = scores.argmax(1).unique(return_counts=True)[1]
        found.append(labels.max() < .9 * labels.sum())
    return all(found)


def size(name: str) -> tuple[int, int]:
    """Return a size that the net takes: SegNet's are for 360 x 480, ResNet-101's of a grid."""
    return VARIANTS[name].frame or ((97, 129) if VARIANTS[name].grid > 1 else (96, 128))


def test_residual_blocks_do_not_grow() -> None:
    """33 blocks that each doubled the variance would end at 10^5 times the size."""
    net = deploy('deeplab-resnet101', 3)
    net.forward(data=np.random.RandomState(0).uniform(-120, 120, (1, 3, 33, 33)))
    first, last = (float(net.blobs[name].data.std()) for name in ('res2a', 'res5c'))
    assert last < 30 * first
