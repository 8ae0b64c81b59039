"""Clip against max(min, min(x, max)), crossed limits included, and the recorded case."""

import numpy as np
import pytest


@pytest.mark.parametrize(('low', 'high'), [(-1, 1.5), (0, 6), (-2.5, -0.5)])
def test_equals_the_formula(check_neuron, low, high):
    check_neuron(f'type: "Clip" clip_param {{ min: {low} max: {high} }}',
                 lambda x: np.maximum(low, np.minimum(x, high)),
                 lambda x, y, dy: dy * ((x >= low) & (x <= high)), kinks=(low, high))


def test_the_limits_pass_the_gradient(drive):
    driven = drive('type: "Clip" clip_param { min: -1 max: 2 }', [np.array([-1.0, 2.0, 2.1])])
    driven.forward()
    driven.backward([np.ones(3)])
    assert driven.bottom[0].diff.tolist() == [1, 1, 0]


def test_crossed_limits_give_the_lower(drive):
    driven = drive('type: "Clip" clip_param { min: 2 max: 1 }', [np.array([0.0, 1.5, 3.0])])
    assert driven.forward()[0].tolist() == [2, 2, 2]


def test_recorded(recorded):
    recorded('clip')
