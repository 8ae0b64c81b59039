"""EuclideanLoss against the formula in numpy and central differences."""

import numpy as np
import pytest

TEXT = 'type: "EuclideanLoss" top: "loss"'


@pytest.mark.parametrize('shapes', [((3, 2, 4), (3, 2, 4)), ((2, 6), (2, 3, 2)), ((5,), (5,)),
                                    ((2, 3, 2, 2, 2), (2, 24))])
def test_equals_the_formula(drive, shapes):
    r = np.random.RandomState(0)
    a, b = (r.randn(*s) for s in shapes)
    driven = drive(TEXT, [a, b])
    loss, = driven.forward()
    difference = a.reshape(len(a), -1) - b.reshape(len(b), -1)
    np.testing.assert_allclose(loss, (difference ** 2).sum() / len(a) / 2, rtol=1e-5)
    driven.backward([np.array(3.0)])
    for blob, sign in zip(driven.bottom, (1, -1), strict=True):
        want = (sign * 3 * difference / len(a)).reshape(blob.shape)
        np.testing.assert_allclose(blob.diff.numpy(), want, rtol=1e-5)


@pytest.mark.parametrize('propagate', [[True, True], [True, False], [False, True]])
def test_gradient(check_gradient, propagate):
    r = np.random.RandomState(1)
    check_gradient(TEXT, [r.randn(3, 2, 2), r.randn(3, 2, 2)], propagate=propagate)


def test_refusals(drive):
    for shapes, said in [(((2, 3), (3, 2)), 'same first dimension'),
                         (((2, 3), (2, 4)), r"'bottom0' \[2, 3\] .* as many values an item")]:
        with pytest.raises(ValueError, match=said):
            drive(TEXT, [np.zeros(s) for s in shapes]).forward()
