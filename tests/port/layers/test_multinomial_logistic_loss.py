"""MultinomialLogisticLoss against a loop over items and central differences."""

import numpy as np
import pytest

TEXT = 'type: "MultinomialLogisticLoss" top: "t"'


@pytest.mark.parametrize('shape', [(4, 5), (3, 4, 1, 1), (2, 2, 3)])
def test_equals_a_loop(drive, shape):
    r = np.random.RandomState(6)
    p = r.uniform(0.01, 1, shape)
    label = r.randint(0, p[0].size, shape[0]).astype('d')
    p.reshape(shape[0], -1)[0, int(label[0])] = 0
    driven = drive(TEXT, [p, label])
    loss, slope = 0.0, np.zeros((shape[0], p[0].size))
    for i, want in enumerate(label.astype(int)):
        chosen = max(p.reshape(shape[0], -1)[i, want], 1e-20)
        loss -= np.log(chosen) / shape[0]
        slope[i, want] = -2 / shape[0] / chosen
    np.testing.assert_allclose(driven.forward()[0], loss, rtol=1e-5)
    driven.backward([np.array(2.0)], [True, False])
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), slope.reshape(shape), rtol=1e-5)


def test_gradient(check_gradient):
    p = np.random.RandomState(7).uniform(0.1, 1, (3, 4))
    check_gradient(TEXT, [p, np.array([[1.], [0], [3]])], propagate=[True, False])


def test_refusals(drive):
    with pytest.raises(ValueError, match='one label for each item'):
        drive(TEXT, [np.ones((2, 3)), np.zeros((2, 2))]).forward()
    driven = drive(TEXT, [np.ones((2, 3)), np.zeros(2)])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to label inputs'):
        driven.backward([np.array(1.0)], [True, True])
