"""ReLU against max(x, 0) + slope min(x, 0), in place without extra memory; recorded cases."""

import numpy as np
import pytest


@pytest.mark.parametrize('slope', [0, 0.125, 1, 2, -0.5])
def test_equals_the_formula(check_neuron, slope):
    check_neuron(f'type: "ReLU" relu_param {{ negative_slope: {slope} }}',
                 lambda x: np.maximum(x, 0) + slope * np.minimum(x, 0),
                 lambda x, y, dy: dy * ((x > 0) + slope * (x <= 0)), kinks=(0,))


@pytest.mark.parametrize('slope', [0, 0.1])
def test_in_place_means_in_place(overwrites, slope):
    overwrites(f'type: "ReLU" relu_param {{ negative_slope: {slope} }}')


def test_zero_passes_no_gradient(drive):
    driven = drive('type: "ReLU"', [np.zeros(2)])
    driven.forward()
    driven.backward([np.ones(2)])
    assert not driven.bottom[0].diff.any()


@pytest.mark.parametrize('name', ['relu', 'relu_leaky'])
def test_recorded(recorded, name):
    recorded(name)


def test_recorded_chain_in_place(recorded_net):
    recorded_net('inplace_relu_chain')
