"""Softmax against its formula along every axis, large scores included; recorded cases."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN


def softmax(x, axis):
    power = np.exp(x - x.max(axis, keepdims=True))
    return power / power.sum(axis, keepdims=True)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('seed', range(10))
def test_equals_the_formula(drive, close, seed, in_place):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 5, r.randint(1, 5)))
    axis = r.randint(len(shape))
    x, dy = r.standard_normal(shape) * 10 ** (seed % 4), r.standard_normal(shape)
    driven = drive(f'type: "Softmax" softmax_param {{ axis: {axis - len(shape) * (seed % 2)} }}',
                   [x], TRAIN, torch.float64, in_place)
    y = softmax(x, axis)
    close(driven.forward()[0], y, 1e-12)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), (dy - (dy * y).sum(axis, keepdims=True)) * y, 1e-10)


def test_gradient(check_gradient):
    check_gradient('type: "Softmax"', [np.random.RandomState(0).standard_normal((2, 3, 4))])


def test_refuses_an_axis_out_of_range(drive):
    with pytest.raises(ValueError, match='axis 2 is out of range; expected -2 to 1'):
        drive('type: "Softmax" softmax_param { axis: 2 }', [np.ones((2, 3))]).forward()


@pytest.mark.parametrize('name', ['softmax', 'softmax_axis2'])
def test_recorded(recorded, name):
    recorded(name)
