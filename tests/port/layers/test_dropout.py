"""Dropout: the share and scale of what remains, the same mask in both passes, a copy in TEST."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TEST, TRAIN


def text(ratio):
    return f'type: "Dropout" dropout_param {{ dropout_ratio: {ratio} }}'


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('ratio', [0, 0.1, 0.5, 0.9])
def test_thins_and_scales(drive, ratio, in_place):
    x = np.random.RandomState(0).uniform(1, 2, (100, 200)).astype('f')
    driven = drive(text(ratio), [x], TRAIN, torch.float32, in_place)
    y = driven.forward()[0]
    kept = y != 0
    assert abs(kept.mean() - (1 - ratio)) < 0.01
    np.testing.assert_allclose(y[kept], x[kept] / (1 - ratio), rtol=1e-5)
    dy = np.random.RandomState(1).uniform(1, 2, x.shape)
    driven.backward([dy])
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), dy * kept / (1 - ratio), rtol=1e-5)


def test_draws_anew_each_pass_and_again_from_a_seed(drive):
    driven = drive(text(0.5), [np.ones((50, 50))])
    first, same = driven.forward()[0], driven.forward()[0]     # each seeded alike
    driven.layer.forward(driven.bottom, driven.top)
    assert np.array_equal(first, same)
    assert not np.array_equal(first, driven.top[0].data.numpy())


@pytest.mark.parametrize('phase', [TRAIN, TEST])
def test_in_place_means_in_place(overwrites, phase):
    overwrites(text(0.5), phase)


def test_in_test_it_copies(drive):
    x = np.random.RandomState(0).standard_normal((3, 4)).astype('f')
    driven = drive(text(0.7), [x], TEST)
    assert np.array_equal(driven.forward()[0], x)
    assert driven.top[0].data.data_ptr() != driven.bottom[0].data.data_ptr()
    driven.backward([x])
    assert np.array_equal(driven.bottom[0].diff.numpy(), x)


@pytest.mark.parametrize('ratio', [1, -0.1])
def test_refuses_a_ratio_out_of_range(drive, ratio):
    """While training: testing copies, and Caffe does not look at the ratio then."""
    with pytest.raises(ValueError, match='expected 0 <= ratio < 1'):
        drive(text(ratio), [np.ones(2)])
    assert drive(text(ratio), [np.ones(2)], TEST).forward()[0].tolist() == [1, 1]


def test_gradient(check_gradient):
    check_gradient(text(0.4), [np.random.RandomState(2).standard_normal((4, 5))])


def test_recorded(recorded):
    recorded('dropout_test')
