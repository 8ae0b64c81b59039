"""Bias against numpy's broadcasting, by parameter or second bottom; the recorded cases."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN


def case(seed):
    """Random shape, the axes that the bias spans, and the fields that say so."""
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 5, r.randint(1, 5)))
    at = r.randint(len(shape))
    many = r.randint(0, len(shape) - at + 1)
    given = at - len(shape) * r.randint(2)
    return r, shape, at, many, given


def wide(bias, shape, at):
    return bias.reshape((1,) * at + bias.shape + (1,) * (len(shape) - at - bias.ndim))


def gathered(dy, at, many):
    return dy.sum(tuple(a for a in range(dy.ndim) if not at <= a < at + many))


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('seed', range(16))
def test_as_a_parameter(drive, close, seed, in_place):
    r, shape, at, many, given = case(seed)
    x, dy = r.standard_normal(shape), r.standard_normal(shape)
    count = -1 if at + many == len(shape) else many
    driven = drive(f'type: "Bias" bias_param {{ axis: {given} num_axes: {count} '
                   'filler { type: "gaussian" std: 1 } }', [x], TRAIN, torch.float64, in_place)
    bias = driven.layer.blobs[0].data.numpy()
    assert bias.shape == shape[at:at + many] and bias.all()
    close(driven.forward()[0], x + wide(bias, shape, at), 1e-12)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), dy, 1e-12)
    close(driven.layer.blobs[0].diff.numpy(), gathered(dy, at, many), 1e-12)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('seed', range(16))
def test_as_the_second_bottom(drive, close, seed, in_place):
    r, shape, at, many, given = case(seed)
    x, dy, bias = (r.standard_normal(s) for s in (shape, shape, shape[at:at + many]))
    driven = drive(f'type: "Bias" bias_param {{ axis: {given} num_axes: 0 }}',
                   [x, np.asarray(bias)], TRAIN, torch.float64, in_place)
    assert not driven.layer.blobs
    close(driven.forward()[0], x + wide(np.asarray(bias), shape, at), 1e-12)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), dy, 1e-12)
    close(driven.bottom[1].diff.numpy(), gathered(dy, at, many), 1e-12)


def test_gradient(check_gradient):
    x = np.random.RandomState(1).standard_normal((2, 3, 4))
    check_gradient('type: "Bias"', [x])
    check_gradient('type: "Bias" bias_param { axis: 0 }', [x, x[:, :, 0]])


def test_the_diffs_are_not_one_memory(drive):
    driven = drive('type: "Bias" bias_param { axis: 0 num_axes: -1 }', [np.ones((2, 3))])
    driven.forward()
    driven.backward([np.ones((2, 3))])
    held = {b.diff.data_ptr() for b in (*driven.top, *driven.bottom, *driven.layer.blobs)}
    assert len(held) == 3


@pytest.mark.parametrize(('options', 'said'), [
    ('axis: 3', 'axis 3 is out of range'), ('axis: 1 num_axes: 3', 'reach past the 3 axes'),
    ('num_axes: -2', 'num_axes is -2')])
def test_refuses_axes_that_are_not_there(drive, options, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Bias" bias_param {{ {options} }}', [np.ones((2, 3, 4))])


def test_refuses_a_second_bottom_that_does_not_fit(drive):
    for shape in [(4,), (3, 4, 1), (2, 3)]:
        with pytest.raises(ValueError, match='does not fit bottom'):
            drive('type: "Bias"', [np.ones((2, 3, 4)), np.ones(shape)]).forward()


@pytest.mark.parametrize('name', ['bias', 'bias_two_bottoms'])
def test_recorded(recorded, name):
    recorded(name)
