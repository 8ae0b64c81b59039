"""Sigmoid against 1 / (1 + e^-x), and the recorded case."""

import numpy as np


def test_equals_the_formula(check_neuron):
    check_neuron('type: "Sigmoid"', lambda x: 1 / (1 + np.exp(-x)),
                 lambda x, y, dy: dy * y * (1 - y), low=-8, high=8)


def test_recorded(recorded):
    recorded('sigmoid')
