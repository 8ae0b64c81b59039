"""LSTMUnit against a loop over cells and central differences."""

import math

import numpy as np
import pytest

TEXT = 'type: "LSTMUnit" top: "c" top: "h"'


def sigmoid(x):
    return 1 / (1 + math.exp(-x))


@pytest.mark.parametrize('seed', range(3))
def test_equals_a_loop(drive, seed):
    r = np.random.RandomState(seed)
    n, d = r.randint(1, 5, 2)
    before, gates = r.randn(1, n, d), r.randn(1, n, 4 * d)
    cont = r.choice([0, 1, 0.5], (1, n))
    c, h = drive(TEXT, [before, gates, cont]).forward()
    for k in range(n):
        for j in range(d):
            i, f, o = (sigmoid(gates[0, k, m * d + j]) for m in range(3))
            want = cont[0, k] * f * before[0, k, j] + i * math.tanh(gates[0, k, 3 * d + j])
            np.testing.assert_allclose(c[0, k, j], want, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(h[0, k, j], o * math.tanh(want), rtol=1e-5, atol=1e-7)


def test_gradient(check_gradient):
    r = np.random.RandomState(4)
    check_gradient(TEXT, [r.randn(1, 4, 3), r.randn(1, 4, 12), np.array([[1., 0, 1, 0]])],
                   propagate=[True, True, False])


def test_with_half_a_cont_the_forget_slope_is_the_cpus(drive):
    """Caffe's CPU takes f = cont s(x) and f (1 - f) for its slope, not cont s(x) (1 - s(x))."""
    driven = drive(TEXT, [np.full((1, 1, 1), 2.0), np.zeros((1, 1, 4)), np.full((1, 1), 0.5)])
    driven.forward()
    driven.backward([np.ones((1, 1, 1)), np.zeros((1, 1, 1))], [True, True, False])
    assert driven.bottom[1].diff[0, 0, 1] == pytest.approx(2 * 0.25 * 0.75)


def test_refusals(drive):
    for shapes, said in [(((2, 3, 4), (2, 3, 16), (2, 3)), 'expected 1 x streams x width'),
                         (((1, 3, 4), (1, 3, 12), (1, 3)), r"'bottom1' .* expected \[1, 3, 16\]"),
                         (((1, 3, 4), (1, 3, 16), (1, 4)), r"'bottom2' .* expected \[1, 3\]")]:
        with pytest.raises(ValueError, match=said):
            drive(TEXT, [np.zeros(s) for s in shapes]).forward()
    driven = drive(TEXT, [np.zeros((1, 1, 1)), np.zeros((1, 1, 4)), np.zeros((1, 1))])
    driven.forward()
    with pytest.raises(ValueError, match='sequence indicators'):
        driven.backward([np.zeros((1, 1, 1))] * 2, [True, True, True])
