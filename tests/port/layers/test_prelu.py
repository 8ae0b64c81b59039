"""PReLU against max(x, 0) + slope min(x, 0), slope by channel or shared; recorded cases."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN


def text(shared):
    filler = 'filler { type: "uniform" min: -0.5 max: 1 }'
    return f'type: "PReLU" prelu_param {{ channel_shared: {str(shared).lower()} {filler} }}'


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('shared', [False, True])
@pytest.mark.parametrize('shape', [(4, 3), (2, 3, 4), (2, 5, 3, 4)])
def test_equals_the_formula(drive, close, shape, shared, in_place):
    r = np.random.RandomState(3)
    x, dy = r.standard_normal(shape), r.standard_normal(shape)
    driven = drive(text(shared), [x], TRAIN, torch.float64, in_place)
    slope = driven.layer.blobs[0].data.numpy()
    assert slope.shape == (() if shared else shape[1:2])
    wide = slope.reshape(-1, *[1] * (len(shape) - 2))
    close(driven.forward()[0], np.maximum(x, 0) + wide * np.minimum(x, 0), 1e-12)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), dy * ((x > 0) + wide * (x <= 0)), 1e-12)
    channels = (dy * x * (x <= 0)).swapaxes(0, 1).reshape(shape[1], -1).sum(1)
    close(driven.layer.blobs[0].diff.numpy(), channels.sum() if shared else channels, 1e-12)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('shared', [False, True])
def test_gradient(check_gradient, shared, in_place):
    x = np.random.RandomState(4).uniform(0.1, 1, (2, 3, 4)) * np.array([1, -1, -1, 1])
    check_gradient(text(shared), [x], in_place=in_place)


def test_starts_at_a_quarter(drive):
    driven = drive('type: "PReLU"', [np.ones((2, 3))])
    assert driven.layer.blobs[0].data.tolist() == [0.25] * 3


def test_gradient_of_the_slope_adds_up(drive):
    driven = drive('type: "PReLU"', [-np.ones((2, 3))])
    driven.forward()
    for _ in range(2):
        driven.top[0].diff = torch.ones(2, 3)
        driven.layer.backward(driven.top, [False], driven.bottom)
    assert driven.layer.blobs[0].diff.tolist() == [-4] * 3


def test_refusals(drive):
    with pytest.raises(ValueError, match='expected at least 2 axes'):
        drive('type: "PReLU"', [np.ones(3)])
    driven = drive('type: "PReLU"', [np.ones((2, 3))])
    driven.arrays = [np.ones((2, 4))]
    with pytest.raises(ValueError, match='has 4 channels; the slope has 3'):
        driven.forward()


@pytest.mark.parametrize('name', ['prelu', 'prelu_shared'])
def test_recorded(recorded, name):
    recorded(name)
