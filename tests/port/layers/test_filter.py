"""Filter against numpy's boolean indexing; shapes that follow the selector from pass to pass."""

import numpy as np
import pytest

from netspec.schema import parse_net
from netspec.schema.messages import TRAIN
from port.engine.net import Net


def text(tops):
    return 'type: "Filter"' + ' top: "t"' * tops


@pytest.mark.parametrize('seed', range(8))
def test_equals_indexing(drive, close, seed):
    r = np.random.RandomState(seed)
    many, items = r.randint(1, 7), r.randint(1, 4)
    arrays = [r.standard_normal((many, *r.randint(1, 4, r.randint(0, 4)))) for _ in range(items)]
    selector = r.choice([0, 1, -2, 0.5], (many, *[1] * r.randint(0, 4)))
    chosen = selector.reshape(-1) != 0
    driven = drive(text(items), [*arrays, selector])
    for found, array in zip(driven.forward(), arrays, strict=True):
        close(found, array[chosen])
    diffs = [r.standard_normal(a[chosen].shape) for a in arrays]
    driven.backward(diffs, [True] * items + [False])
    for blob, array, diff in zip(driven.bottom, arrays, diffs, strict=False):
        expected = np.zeros_like(array)
        expected[chosen] = diff
        close(blob.diff.numpy(), expected)


def test_in_a_net_the_selection_changes_from_pass_to_pass():
    net = Net(parse_net("""
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 3 dim: 2 } } }
        layer { name: "s" type: "Input" top: "s" input_param { shape { dim: 3 } } }
        layer { name: "f" type: "Filter" bottom: "x" bottom: "s" top: "y" }
        layer { name: "t" type: "TanH" bottom: "y" top: "z" }"""), TRAIN)
    assert net.blobs['z'].shape == (3, 2)
    x = np.arange(6.0).reshape(3, 2)
    for selector in ([1, 0, 1], [0, 0, 0], [1, 1, 1]):
        found = net(x=x, s=np.array(selector, 'f'))['z'].numpy()
        np.testing.assert_allclose(found, np.tanh(x[np.array(selector) != 0]), rtol=1e-6)


def test_gradient(check_gradient):
    check_gradient(text(1), [np.random.RandomState(0).standard_normal((4, 2)), [1, 0, 1, 1]],
                   propagate=[True, False])


@pytest.mark.parametrize(('shape', 'selector', 'tops', 'said'), [
    ((3, 2), (3, 2), 1, 'expected size 1 on every axis but the first'),
    ((3, 2), (4,), 1, 'must have the same first dimension'),
    ((3, 2), (3,), 2, 'one top for each bottom but the selector, 1; got 2')])
def test_refusals(drive, shape, selector, tops, said):
    with pytest.raises(ValueError, match=said):
        drive(text(tops), [np.ones(shape), np.ones(selector)]).forward()


def test_refuses_a_gradient_for_the_selector(drive):
    driven = drive(text(1), [np.ones((3, 2)), np.ones(3)])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to the selector'):
        driven.backward([np.ones((3, 2))])
