"""Reduction against numpy over the trailing axes, and the recorded cases."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN

PLAIN = {'SUM': (lambda x: x.sum(1), np.ones_like), 'ASUM': (lambda x: abs(x).sum(1), np.sign),
         'SUMSQ': (lambda x: (x * x).sum(1), lambda x: 2 * x),
         'MEAN': (lambda x: x.mean(1), lambda x: np.full_like(x, 1 / x.shape[1]))}


@pytest.mark.parametrize('seed', range(16))
@pytest.mark.parametrize('op', PLAIN)
def test_equals_the_formula(drive, close, op, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 5, r.randint(1, 5)))
    axis, coeff = r.randint(len(shape)), r.choice([1, -0.5, 2])
    x = r.randint(-3, 4, shape) / 2.0
    driven = drive(f'type: "Reduction" reduction_param {{ operation: {op} coeff: {coeff} '
                   f'axis: {axis - len(shape) * r.randint(2)} }}', [x], TRAIN, torch.float64)
    planes = x.reshape(int(np.prod(shape[:axis])), -1)
    forward, slope = PLAIN[op]
    y = coeff * forward(planes).reshape(shape[:axis])
    close(driven.forward()[0], y, 1e-12)
    dy = np.asarray(r.standard_normal(shape[:axis]))
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), (slope(planes) * coeff * dy.reshape(-1, 1)).reshape(shape),
          1e-12)


@pytest.mark.parametrize('op', PLAIN)
def test_the_diff_may_be_written_to(drive, op):
    """A layer below works in place on it, so that no two values may share memory."""
    driven = drive(f'type: "Reduction" reduction_param {{ operation: {op} }}', [np.ones((2, 3))])
    driven.forward()
    driven.backward([np.array(1.0)])
    diff = driven.bottom[0].diff
    diff.view(-1)[0] = 5
    assert (diff == 5).sum() == 1 and driven.top[0].diff.item() == 1


@pytest.mark.parametrize('op', PLAIN)
def test_of_no_items(drive, op):
    """Such as a Filter that lets none through."""
    driven = drive(f'type: "Reduction" reduction_param {{ operation: {op} axis: 1 }}',
                   [np.ones((0, 3))])
    assert driven.forward()[0].shape == (0,)
    driven.backward([np.ones(0)])
    assert driven.bottom[0].diff.shape == (0, 3)


@pytest.mark.parametrize('op', PLAIN)
def test_gradient(check_gradient, op):
    x = np.random.RandomState(0).uniform(0.1, 1, (2, 3, 2)) * np.array([1, -1])
    check_gradient(f'type: "Reduction" reduction_param {{ operation: {op} axis: 1 coeff: 3 }}', [x])


def test_refuses_an_axis_out_of_range(drive):
    with pytest.raises(ValueError, match='axis 2 is out of range'):
        drive('type: "Reduction" reduction_param { axis: 2 }', [np.ones((2, 3))]).forward()


@pytest.mark.parametrize('name', ['reduction_asum', 'reduction_mean', 'reduction_sum',
                                  'reduction_sumsq'])
def test_recorded(recorded, name):
    recorded(name)
