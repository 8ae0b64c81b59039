"""Concat against numpy.concatenate, and the recorded cases."""

import numpy as np
import pytest


@pytest.mark.parametrize('seed', range(12))
def test_equals_concatenate(drive, close, seed):
    r = np.random.RandomState(seed)
    shape = list(r.randint(1, 5, r.randint(1, 5)))
    at = r.randint(len(shape))
    arrays = [r.standard_normal([*shape[:at], size, *shape[at + 1:]])
              for size in r.randint(1, 4, r.randint(1, 5))]
    field = [f'axis: {at}', f'axis: {at - len(shape)}', f'concat_dim: {at}'][seed % 3]
    driven = drive(f'type: "Concat" concat_param {{ {field} }}', arrays)
    y = np.concatenate(arrays, at)
    close(driven.forward()[0], y)
    dy = r.standard_normal(y.shape)
    driven.backward([dy])
    ends = np.cumsum([a.shape[at] for a in arrays])[:-1]
    for blob, piece in zip(driven.bottom, np.split(dy, ends, at), strict=True):
        close(blob.diff.numpy(), piece)


def test_the_default_axis_is_the_channels(drive):
    assert drive('type: "Concat"', [np.ones((2, 3)), np.ones((2, 4))]).forward()[0].shape == (2, 7)


def test_the_pieces_have_their_own_memory(drive):
    """An in-place layer below must not reach the top's diff."""
    driven = drive('type: "Concat" concat_param { axis: 0 }', [np.ones((1, 3)), np.ones((2, 3))])
    driven.forward()
    driven.backward([np.ones((3, 3))])
    driven.bottom[0].diff.zero_()
    assert driven.top[0].diff.numpy().all()


def test_only_those_asked_for(drive):
    driven = drive('type: "Concat"', [np.ones((2, 1)), np.ones((2, 2))])
    driven.forward()
    driven.backward([np.ones((2, 3))], [False, True])
    assert not driven.bottom[0].diff.any() and driven.bottom[1].diff.all()


def test_a_single_bottom_shares_its_memory(drive):
    driven = drive('type: "Concat"', [np.ones((2, 3))])
    driven.forward()
    driven.backward([np.ones((2, 3))])
    assert driven.top[0].data.data_ptr() == driven.bottom[0].data.data_ptr()
    assert driven.top[0].diff.data_ptr() == driven.bottom[0].diff.data_ptr()


def test_gradient(check_gradient):
    r = np.random.RandomState(0)
    check_gradient('type: "Concat"', [r.standard_normal((2, n, 2)) for n in (1, 3, 2)])


@pytest.mark.parametrize(('options', 'other', 'said'), [
    ('axis: 1 concat_dim: 1', (2, 3), 'both axis and concat_dim'),
    ('concat_dim: 2', (2, 3), 'concat_dim 2 is out of range'),
    ('axis: -3', (2, 3), 'axis -3 is out of range'),
    ('', (3, 3), 'except on the concatenated axis 1'),
    ('', (2, 3, 1), 'except on the concatenated axis 1'),
    ('', (2,), 'except on the concatenated axis 1')])
def test_refusals(drive, options, other, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Concat" concat_param {{ {options} }}',
              [np.ones((2, 3)), np.ones(other)]).forward()


@pytest.mark.parametrize('name', ['concat_axis2', 'concat_channel'])
def test_recorded(recorded, name):
    recorded(name)
