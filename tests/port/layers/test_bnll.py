"""BNLL against log(1 + e^x), far out included, and the recorded case."""

import numpy as np


def slope(x, y, dy):
    power = np.exp(np.minimum(x, 50))
    return dy * power / (power + 1)


def test_equals_the_formula(check_neuron):
    check_neuron('type: "BNLL"', lambda x: np.log(1 + np.exp(x)), slope)


def test_far_out(drive, close):
    x = np.array([-90.0, -30, 30, 60, 200])
    driven = drive('type: "BNLL"', [x])
    close(driven.forward()[0], np.where(x > 0, x, np.exp(x)))
    driven.backward([np.ones(5)])
    close(driven.bottom[0].diff.numpy(), slope(x, None, 1))


def test_recorded(recorded):
    recorded('bnll')
