"""InnerProduct against Caffe's recorded numbers, einsum, and central differences."""

from math import prod

import numpy as np
import pytest


@pytest.mark.parametrize('name', ['inner_product', 'inner_product_axis2',
                                  'inner_product_transpose'])
def test_caffe_recorded(recorded, name):
    recorded(name)


def text(options: str) -> str:
    return (f'type: "InnerProduct" inner_product_param {{ {options} '
            'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } }')


@pytest.mark.parametrize('axis', [0, 1, 2, 3, -1, -2])
@pytest.mark.parametrize('transpose', [False, True])
@pytest.mark.parametrize('bias', [False, True])
def test_equals_the_definition(drive, check_gradient, axis, transpose, bias):
    held = text(f'num_output: 3 axis: {axis} transpose: {transpose} bias_term: {bias}'.lower())
    x = np.random.RandomState(0).standard_normal((2, 2, 3, 2))
    driven = drive(held, [x])
    w, *b = (blob.data.numpy() for blob in driven.layer.blobs)
    at = axis % 4
    inputs = prod(x.shape[at:])
    assert w.shape == ((inputs, 3) if transpose else (3, inputs))
    expected = np.einsum('mi,oi->mo', x.reshape(-1, inputs), w.T if transpose else w) + sum(b)
    (y,) = driven.forward()
    np.testing.assert_allclose(y, expected.reshape(*x.shape[:at], 3), atol=1e-5)
    check_gradient(held, [x])


@pytest.mark.parametrize('params', [[False, False], [True, False], [False, True]])
def test_only_what_is_asked_for_is_computed(check_gradient, params):
    x = np.random.RandomState(1).standard_normal((2, 3))
    driven = check_gradient(text('num_output: 2'), [x], params=params)
    for blob, asked in zip(driven.layer.blobs, params, strict=True):
        assert blob.diff.any() == asked


def test_checks(drive):
    x = np.zeros((2, 3))
    with pytest.raises(ValueError, match='num_output must be given'):
        drive(text(''), [x])
    with pytest.raises(ValueError, match='axis 2 is out of range'):
        drive(text('num_output: 2 axis: 2'), [x])
    driven = drive(text('num_output: 2'), [x])
    driven.bottom[0].reshape(2, 4)
    with pytest.raises(ValueError, match='has 4 inputs from axis 1 on; the weights are for 3'):
        driven.layer.reshape(driven.bottom, driven.top)
    with pytest.raises(ValueError, match=r'carries 1 param blob\(s\); expected 2'):
        drive(text('num_output: 2') + ' blobs { data: 1 }', [x])
