"""ELU against its formula for several alphas, and the recorded case."""

import numpy as np
import pytest


@pytest.mark.parametrize('alpha', [1, 0.5, 0, 2])
def test_equals_the_formula(check_neuron, alpha):
    check_neuron(f'type: "ELU" elu_param {{ alpha: {alpha} }}',
                 lambda x: np.maximum(x, 0) + alpha * (np.exp(np.minimum(x, 0)) - 1),
                 lambda x, y, dy: dy * ((x > 0) + (alpha + y) * (x <= 0)), kinks=(0,))


def test_recorded(recorded):
    recorded('elu')
