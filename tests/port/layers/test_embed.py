"""Embed against Caffe's recorded numbers, numpy indexing, and central differences."""

import numpy as np
import pytest


def test_caffe_recorded(recorded):
    recorded('embed')


def text(options: str) -> str:
    return (f'type: "Embed" embed_param {{ {options} weight_filler {{ type: "gaussian" std: 1 }} '
            'bias_filler { type: "gaussian" std: 1 } }')


@pytest.mark.parametrize('bias', [False, True])
@pytest.mark.parametrize('shape', [(4,), (3, 2), (2, 1, 3)])
def test_equals_the_definition(drive, check_gradient, bias, shape):
    held = text(f'num_output: 3 input_dim: 5 bias_term: {str(bias).lower()}')
    x = np.random.RandomState(0).randint(0, 5, shape)     # some rows twice
    driven = drive(held, [x])
    w, *b = (blob.data.numpy() for blob in driven.layer.blobs)
    assert np.array_equal(driven.forward()[0], w[x] + b[0] if bias else w[x])
    check_gradient(held, [x], propagate=[False])


def test_checks(drive):
    x = np.array([0, 5])
    with pytest.raises(ValueError, match=r'indices from 0 to 5; expected 0 to 4 \(input_dim - 1\)'):
        drive(text('num_output: 3 input_dim: 5'), [x]).forward()
    with pytest.raises(ValueError, match=r'num_output \(3\) and input_dim \(0\) must be given'):
        drive(text('num_output: 3'), [x])
    with pytest.raises(ValueError, match=r'carries 1 param blob\(s\); expected 2'):
        drive(text('num_output: 3 input_dim: 5') + ' blobs { data: 1 }', [x])
    driven = drive(text('num_output: 3 input_dim: 6'), [x])
    diffs = driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to the indices'):
        driven.backward(diffs)
