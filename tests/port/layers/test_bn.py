"""BN against plain numpy and central differences."""

import numpy as np
import pytest
import torch

FILL = 'scale_filler { type: "uniform" min: 1 max: 2 } shift_filler { type: "constant" value: 0.3 }'
LEARN = f'type: "BN" bn_param {{ {FILL} }}'
INFERENCE = f'type: "BN" bn_param {{ bn_mode: INFERENCE {FILL} }}'
X = np.random.RandomState(3).uniform(-2, 3, (2, 3, 4, 5))


def plain(x, scale, shift):
    """Normalise each channel by its own mean and biased variance."""
    mean = x.mean((0, 2, 3), keepdims=True)
    variance = ((x - mean) ** 2).mean((0, 2, 3), keepdims=True)
    return scale * (x - mean) / np.sqrt(variance + 1e-9) + shift, mean, variance


@pytest.mark.parametrize('in_place', [False, True])
def test_learn_normalises_by_the_batch(drive, in_place):
    driven = drive(LEARN, [X], dtype=torch.float64, in_place=in_place)
    scale, shift = (blob.data.numpy() for blob in driven.layer.blobs)
    assert scale.shape == (1, 3, 1, 1) and np.ptp(scale) > 0 and (shift == np.float32(.3)).all()
    assert np.allclose(driven.forward()[0], plain(X, scale, shift)[0], atol=1e-12)


def test_further_tops_are_mean_and_variance(drive):
    tops = ' top: "y" top: "mean" top: "variance"'
    _, mean, variance = drive(LEARN + tops, [X], dtype=torch.float64).forward()
    assert np.allclose(mean, plain(X, 1, 0)[1]) and np.allclose(variance, plain(X, 1, 0)[2])


@pytest.mark.parametrize('in_place', [False, True])
def test_inference_only_scales_and_shifts(drive, in_place):
    driven = drive(INFERENCE, [X], dtype=torch.float64, in_place=in_place)
    scale, shift = (blob.data.numpy() for blob in driven.layer.blobs)
    assert np.allclose(driven.forward()[0], X * scale + shift, atol=1e-12)


@pytest.mark.parametrize('text', [LEARN, INFERENCE])
@pytest.mark.parametrize('in_place', [False, True])
def test_gradients(check_gradient, text, in_place):
    check_gradient(text, [X], in_place=in_place)


def test_refuses_other_axes(drive):
    with pytest.raises(ValueError, match='must have 4 axes'):
        drive(LEARN, [X[0]])
