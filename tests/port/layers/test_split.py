"""Split: shared data, added diffs; the recorded net reads one input twice."""

import numpy as np
import pytest
import torch


def text(tops):
    return 'type: "Split"' + ' top: "t"' * tops


@pytest.mark.parametrize('tops', [1, 2, 3, 5])
def test_shares_the_data_and_adds_the_diffs(drive, tops):
    r = np.random.RandomState(tops)
    x, diffs = r.standard_normal((2, 3)).astype('f'), r.standard_normal((tops, 2, 3)).astype('f')
    driven = drive(text(tops), [x])
    for y in driven.forward():
        assert np.array_equal(y, x)
    assert {t.data.data_ptr() for t in driven.top} == {driven.bottom[0].data.data_ptr()}
    driven.backward(list(diffs))
    total = diffs[0]
    for diff in diffs[1:]:
        total = total + diff                              # Caffe's order of adding
    assert np.array_equal(driven.bottom[0].diff.numpy(), total)
    for top, diff in zip(driven.top, diffs, strict=True):
        assert np.array_equal(top.diff.numpy(), diff)
    assert driven.bottom[0].diff.data_ptr() not in {t.diff.data_ptr() for t in driven.top}


def test_follows_a_new_bottom_tensor_and_shape(drive):
    driven = drive(text(2), [np.zeros((2, 3))])
    driven.forward()
    driven.arrays = [np.ones((4, 1))]
    assert all(y.shape == (4, 1) and y.all() for y in driven.forward())


def test_without_a_reader_that_wants_it_nothing_flows(drive):
    driven = drive(text(2), [np.ones(3)])
    driven.forward()
    driven.bottom[0].diff = torch.full((3,), 7.0)
    driven.backward([np.ones(3)] * 2, [False])
    assert driven.bottom[0].diff.tolist() == [7] * 3


def test_gradient(check_gradient):
    check_gradient(text(3), [np.random.RandomState(0).standard_normal((2, 3))])


def test_refuses_to_work_in_place(drive):
    with pytest.raises(ValueError, match='Split cannot work in place'):
        drive('type: "Split"', [np.ones(2)], in_place=True).forward()


def test_recorded(recorded_net):
    recorded_net('split_shared_input')
