"""Slice against numpy.split, and the recorded cases."""

import numpy as np
import pytest


@pytest.mark.parametrize('seed', range(16))
def test_equals_split(drive, close, seed):
    r = np.random.RandomState(seed)
    shape = list(r.randint(1, 5, r.randint(1, 5)))
    at, tops = r.randint(len(shape)), r.randint(1, 5)
    points = []
    if seed % 2:
        shape[at] = r.randint(tops, 9)
        points = sorted(r.choice(range(1, shape[at]), tops - 1, replace=False)) if tops > 1 else []
    else:
        shape[at] = tops * r.randint(1, 4)
    field = [f'axis: {at}', f'axis: {at - len(shape)}', f'slice_dim: {at}'][seed % 3]
    text = ' '.join(f'slice_point: {p}' for p in points)
    x = r.standard_normal(shape)
    driven = drive(f'type: "Slice" slice_param {{ {field} {text} }}' + ' top: "t"' * tops, [x])
    pieces = np.split(x, points if points else tops, at)
    for found, piece in zip(driven.forward(), pieces, strict=True):
        close(found, piece)
    diffs = [r.standard_normal(p.shape) for p in pieces]
    driven.backward(diffs)
    close(driven.bottom[0].diff.numpy(), np.concatenate(diffs, at))


def test_the_pieces_have_their_own_memory(drive):
    driven = drive('type: "Slice" slice_param { axis: 0 } top: "a" top: "b"', [np.ones((2, 3))])
    driven.forward()
    driven.top[0].data.zero_()
    assert driven.bottom[0].data.all()


def test_a_single_top_shares_its_memory(drive):
    driven = drive('type: "Slice"', [np.ones((2, 3))])
    driven.forward()
    driven.backward([np.ones((2, 3))])
    assert driven.top[0].data.data_ptr() == driven.bottom[0].data.data_ptr()
    assert driven.top[0].diff.data_ptr() == driven.bottom[0].diff.data_ptr()


def test_gradient(check_gradient):
    check_gradient('type: "Slice" slice_param { slice_point: 1 } top: "a" top: "b"',
                   [np.random.RandomState(0).standard_normal((2, 3, 2))])


@pytest.mark.parametrize(('options', 'tops', 'said'), [
    ('axis: 1 slice_dim: 1', 2, 'both axis and slice_dim'),
    ('slice_dim: 2', 2, 'slice_dim 2 is out of range'),
    ('axis: 2', 2, 'axis 2 is out of range'),
    ('', 3, '3 tops cannot evenly divide the 4 of axis 1'),
    ('slice_point: 1 slice_point: 2', 2, '2 slice_point.* for 2 tops; expected 1'),
    ('slice_point: 2 slice_point: 2', 3, 'must rise from above 0'),
    ('slice_point: 0', 2, 'must rise from above 0'),
    ('slice_point: 5', 2, 'stay within the 4 of axis 1')])
def test_refusals(drive, options, tops, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Slice" slice_param {{ {options} }}' + ' top: "t"' * tops,
              [np.ones((2, 4))]).forward()


@pytest.mark.parametrize('name', ['slice_even', 'slice_points'])
def test_recorded(recorded, name):
    recorded(name)
