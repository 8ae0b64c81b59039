"""BatchReindex against numpy's indexing, repeated items included, and the recorded case."""

import numpy as np
import pytest

TEXT = 'type: "BatchReindex"'


@pytest.mark.parametrize('seed', range(6))
def test_equals_indexing(drive, close, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 5, r.randint(1, 5)))
    x, index = r.standard_normal(shape), r.randint(0, shape[0], r.randint(1, 7))
    driven = drive(TEXT, [x, index + 0.25 * (seed % 2)])       # Caffe truncates
    close(driven.forward()[0], x[index])
    dy = r.standard_normal(x[index].shape)
    driven.backward([dy], [True, False])
    expected = np.zeros(shape)
    for i, item in enumerate(index):
        expected[item] += dy[i]
    close(driven.bottom[0].diff.numpy(), expected)


def test_gradient(check_gradient):
    check_gradient(TEXT, [np.random.RandomState(0).standard_normal((3, 2)), [2.0, 0, 2, 2]],
                   propagate=[True, False])


@pytest.mark.parametrize('wrong', [-1, 3, np.nan])
def test_refuses_an_index_out_of_range(drive, wrong):
    with pytest.raises(ValueError, match='out of range; expected 0 to 2'):
        drive(TEXT, [np.ones((3, 2)), np.array([0, wrong])]).forward()


def test_refusals(drive):
    with pytest.raises(ValueError, match='expected one axis'):
        drive(TEXT, [np.ones((3, 2)), np.ones((2, 1))]).forward()
    driven = drive(TEXT, [np.ones((3, 2)), np.ones(2)])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to the index'):
        driven.backward([np.ones((2, 2))])


def test_recorded(recorded):
    recorded('batch_reindex')
