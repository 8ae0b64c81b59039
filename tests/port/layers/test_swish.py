"""Swish against x / (1 + e^(-beta x)), in place too, and the recorded case."""

import numpy as np
import pytest
import torch


def swish(x, beta):
    return x / (1 + np.exp(-beta * x))


def slope(x, beta):
    gate = 1 / (1 + np.exp(-beta * x))
    return gate + beta * x * gate * (1 - gate)


@pytest.mark.parametrize('beta', [1, 0.5, 2, 0])
def test_equals_the_formula(check_neuron, beta):
    check_neuron(f'type: "Swish" swish_param {{ beta: {beta} }}', lambda x: swish(x, beta),
                 lambda x, y, dy: dy * slope(x, beta), in_place='')


@pytest.mark.parametrize('beta', [1, 1.5])
def test_in_place_the_gate_is_kept(drive, close, beta):
    x = np.linspace(-3, 3, 12).reshape(3, 4)
    driven = drive(f'type: "Swish" swish_param {{ beta: {beta} }}', [x], 0, torch.float64, True)
    close(driven.forward()[0], swish(x, beta), 1e-12)
    driven.backward([np.ones((3, 4))])
    close(driven.bottom[0].diff.numpy(), slope(x, beta), 1e-12)


def test_recorded(recorded):
    recorded('swish')
