"""TanH against tanh(x), and the recorded case."""

import numpy as np


def test_equals_the_formula(check_neuron):
    check_neuron('type: "TanH"', np.tanh, lambda x, y, dy: dy * (1 - y * y))


def test_recorded(recorded):
    recorded('tanh')
