"""SigmoidCrossEntropyLoss against a loop over values and central differences."""

import numpy as np
import pytest

MODES = ['', 'normalization: FULL', 'normalization: VALID', 'normalization: BATCH_SIZE',
         'normalization: NONE', 'normalize: true', 'normalize: false',
         'normalize: true normalization: NONE']


def text(ignore, mode):
    ignoring = '' if ignore is None else f'ignore_label: {ignore}'
    return f'type: "SigmoidCrossEntropyLoss" top: "t" loss_param {{ {ignoring} {mode} }}'


def plain(x, target, ignore, mode):
    """Loss and gradient, one value at a time, in the plain formula."""
    total, slope, valid = 0.0, np.zeros(x.size), 0
    for i, (v, t) in enumerate(zip(x.reshape(-1), target.reshape(-1), strict=True)):
        if int(t) == ignore:
            continue
        s = 1 / (1 + np.exp(-v))
        total -= t * np.log(s) + (1 - t) * np.log(1 - s)
        slope[i] = s - t
        valid += 1
    batch = x.shape[0]
    divisor = {'': batch, 'FULL': x.size, 'VALID': valid, 'BATCH_SIZE': batch, 'NONE': 1,
               'true': valid, 'false': batch}[mode.split(': ')[-1]]
    divisor = max(1, divisor)
    return total / divisor, slope.reshape(x.shape) / divisor


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('ignore', [None, 255, -1, 0])
def test_equals_a_loop(drive, mode, ignore):
    r = np.random.RandomState(8)
    x = r.uniform(-5, 5, (3, 2, 4))
    target = r.uniform(-0.5, 1.5, (3, 8))
    target[:, 1:4] = 255 if ignore == 255 else -1.3  # -1.3 is -1 as a whole number
    driven = drive(text(ignore, mode), [x, target])
    loss, slope = plain(x, target, ignore, mode)
    np.testing.assert_allclose(driven.forward()[0], loss, rtol=1e-5)
    driven.backward([np.array(0.5)], [True, False])
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), 0.5 * slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('mode', MODES)
def test_gradient(check_gradient, mode):
    r = np.random.RandomState(9)
    check_gradient(text(1, mode), [r.randn(2, 5), r.uniform(0, 1.4, (2, 5))],
                   propagate=[True, False])


def test_far_scores_stay_finite(drive):
    loss, = drive(text(None, ''), [np.array([[100.0, -100.0]]), np.array([[0.0, 1.0]])]).forward()
    np.testing.assert_allclose(loss, 200)


def test_refusals(drive):
    with pytest.raises(ValueError, match='must have the same count'):
        drive(text(None, ''), [np.zeros((2, 3)), np.zeros((2, 4))]).forward()
    driven = drive(text(None, ''), [np.zeros((2, 3)), np.zeros((2, 3))])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to label inputs'):
        driven.backward([np.array(1.0)], [True, True])
