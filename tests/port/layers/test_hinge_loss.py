"""HingeLoss against a loop over scores and central differences, both norms."""

import numpy as np
import pytest

NORMS = ['', 'hinge_loss_param { norm: L1 }', 'hinge_loss_param { norm: L2 }']


def plain(x, label, squared):
    """Loss and slope, one score at a time."""
    rows, total = x.reshape(len(x), -1), 0.0
    slope = np.zeros(rows.shape)
    for i, row in enumerate(rows):
        for j, value in enumerate(row):
            sign = -1 if j == int(label.reshape(-1)[i]) else 1
            margin = max(0.0, 1 + sign * value)
            total += margin ** 2 if squared else margin
            slope[i, j] = sign * (2 * margin if squared else float(margin > 0))
    return total / len(x), slope.reshape(x.shape) / len(x)


@pytest.mark.parametrize('norm', NORMS)
@pytest.mark.parametrize('shape', [(4, 5), (3, 2, 2, 2), (1, 1), (6,)])
def test_equals_a_loop(drive, norm, shape):
    r = np.random.RandomState(2)
    x = r.uniform(-2, 2, shape)
    label = r.randint(0, x[0].size, (shape[0], 1)).astype('d')
    driven = drive(f'type: "HingeLoss" {norm} top: "t"', [x, label])
    loss, slope = plain(x, label, 'L2' in norm)
    np.testing.assert_allclose(driven.forward()[0], loss, rtol=1e-5)
    driven.backward([np.array(0.3)], [True, False])
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), 0.3 * slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize('norm', NORMS)
def test_gradient(check_gradient, norm):
    r = np.random.RandomState(3)
    x = r.uniform(-2, 2, (3, 4))
    x[np.abs(np.abs(x) - 1) < 0.01] = 0.5  # off the kinks
    check_gradient(f'type: "HingeLoss" {norm} top: "t"', [x, np.array([0., 3, 2])],
                   propagate=[True, False])


def test_refusals(drive):
    with pytest.raises(ValueError, match='holds 4 labels; expected 2'):
        drive('type: "HingeLoss" top: "t"', [np.zeros((2, 3)), np.zeros((2, 2))]).forward()
    with pytest.raises(ValueError, match='label 3 is no class'):
        drive('type: "HingeLoss" top: "t"', [np.zeros((2, 3)), np.full(2, 3.0)]).forward()
    driven = drive('type: "HingeLoss" top: "t"', [np.zeros((2, 3)), np.zeros(2)])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to label inputs'):
        driven.backward([np.array(1.0)], [True, True])
