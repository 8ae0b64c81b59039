"""Reshape: 0, -1, axis and num_axes against the rules spelt out; shared memory; recorded."""

import numpy as np
import pytest


def text(dims, axis=None, num_axes=None):
    fields = ' '.join(f'dim: {d}' for d in dims)
    more = ('' if axis is None else f'axis: {axis} ') + ('' if num_axes is None
                                                         else f'num_axes: {num_axes}')
    return f'type: "Reshape" reshape_param {{ shape {{ {fields} }} {more} }}'


@pytest.mark.parametrize(('shape', 'dims', 'axis', 'num_axes', 'expected'), [
    ((2, 8), (2, 2, 4), None, None, (2, 2, 4)),
    ((2, 8), (0, 2, -1), None, None, (2, 2, 4)),
    ((2, 8), (2, 4), 1, None, (2, 2, 4)),
    ((2, 8), (2, -1), -2, None, (2, 2, 4)),
    ((2, 8), (2, 2, 4), 0, -1, (2, 2, 4)),
    ((2, 8), (1,), 1, 0, (2, 1, 8)),
    ((2, 8), (1,), -1, 0, (2, 8, 1)),
    ((2, 8), (1,), 0, 0, (1, 2, 8)),
    ((2, 3, 4, 5), (0, -1), 1, 2, (2, 3, 4, 5)),
    ((2, 3, 4, 5), (-1,), 1, 2, (2, 12, 5)),
    ((2, 3, 4, 5), (6, 0), 1, 2, None),
    ((2, 3, 4, 5), (4, 0, 0), 2, 1, None),
    ((2, 3, 4, 5), (0, 0, -1), None, None, (2, 3, 20)),
    ((2, 3, 4), (), 1, 0, (2, 3, 4)),
    ((1, 1), (), 0, -1, ()),
    ((2, 3, 4), (-1, 0), 0, 2, (2, 3, 4)),
    ((3, 1, 4), (0, 0, 2, 2), None, None, (3, 1, 2, 2)),
])
def test_the_new_shape(drive, shape, dims, axis, num_axes, expected):
    x = np.random.RandomState(0).standard_normal(shape).astype('f')
    if expected is None:
        with pytest.raises(ValueError):
            drive(text(dims, axis, num_axes), [x]).forward()
        return
    driven = drive(text(dims, axis, num_axes), [x])
    found = driven.forward()[0]
    assert found.shape == expected and np.array_equal(found, x.reshape(expected))
    driven.backward([found])
    assert np.array_equal(driven.bottom[0].diff.numpy(), x)
    assert driven.top[0].data.data_ptr() == driven.bottom[0].data.data_ptr()
    assert driven.top[0].diff.data_ptr() == driven.bottom[0].diff.data_ptr()


def test_follows_the_bottom_from_pass_to_pass(drive):
    driven = drive(text((0, -1)), [np.ones((2, 3, 4))])
    assert driven.forward()[0].shape == (2, 12)
    driven.arrays = [np.ones((5, 2))]
    assert driven.forward()[0].shape == (5, 2)


def test_gradient(check_gradient):
    check_gradient(text((0, -1)), [np.random.RandomState(0).standard_normal((2, 3, 2))])


@pytest.mark.parametrize(('given', 'said'), [
    (((-1, -1),), 'has 2 sizes -1; expected at most one'),
    (((5, -1),), 'count 24 .* is not a multiple of 5'),
    (((5, 5),), r'\[5, 5\] holds 25 values; .* has 24'),
    (((1, 2, 3, 0),), 'no such axis'),
    (((1,), 4), 'axis 4 is out of range; expected -4 to 3'),
    (((1,), -5), 'axis -5 is out of range'),
    (((1,), 1, 3), 'reach past the 3 axes'),
    (((1,), 0, -2), 'num_axes is -2')])
def test_refusals(drive, given, said):
    with pytest.raises(ValueError, match=said):
        drive(text(*given), [np.ones((2, 3, 4))]).forward()


def test_refuses_to_work_in_place(drive):
    with pytest.raises(ValueError, match='Reshape cannot work in place'):
        drive(text((0, -1)), [np.ones((2, 3))], in_place=True)


@pytest.mark.parametrize('name', ['reshape', 'reshape_axis'])
def test_recorded(recorded, name):
    recorded(name)
