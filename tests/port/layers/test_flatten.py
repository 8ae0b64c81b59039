"""Flatten: the new shape, shared memory, the recorded case."""

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net


@pytest.mark.parametrize('seed', range(12))
def test_joins_the_axes(drive, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 5, r.randint(1, 6)))
    start, end = sorted(r.randint(0, len(shape), 2))
    a, b = (n - len(shape) * r.randint(2) for n in (start, end))
    x = r.standard_normal(shape).astype('f')
    driven = drive(f'type: "Flatten" flatten_param {{ axis: {a} end_axis: {b} }}', [x])
    y = x.reshape(*shape[:start], -1, *shape[end + 1:])
    assert np.array_equal(driven.forward()[0], y) and driven.top[0].shape == y.shape
    driven.backward([y])
    assert np.array_equal(driven.bottom[0].diff.numpy(), x)
    assert driven.top[0].data.data_ptr() == driven.bottom[0].data.data_ptr()
    assert driven.top[0].diff.data_ptr() == driven.bottom[0].diff.data_ptr()


def test_by_default_all_but_the_first_axis(drive):
    assert drive('type: "Flatten"', [np.ones((2, 3, 4))]).forward()[0].shape == (2, 12)


def test_an_empty_range_makes_an_axis_of_one(drive):
    """end_axis may be the one before axis, as in Caffe."""
    driven = drive('type: "Flatten" flatten_param { axis: 2 end_axis: 1 }', [np.ones((2, 3, 4))])
    assert driven.forward()[0].shape == (2, 3, 1, 4)


def test_gradient(check_gradient):
    check_gradient('type: "Flatten"', [np.random.RandomState(0).standard_normal((2, 3, 2))])


@pytest.mark.parametrize(('options', 'said'), [
    ('axis: 3', 'axis 3 is out of range'), ('end_axis: 3', 'end_axis 3 is out of range'),
    ('axis: 2 end_axis: 0', 'axis 2 comes after end_axis 0')])
def test_refusals(drive, options, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Flatten" flatten_param {{ {options} }}', [np.ones((2, 3, 4))]).forward()
    with pytest.raises(ValueError, match='Flatten cannot work in place'):
        drive('type: "Flatten"', [np.ones((2, 3))], in_place=True).forward()


def test_recorded(recorded):
    recorded('flatten')


@pytest.mark.parametrize('maker', [
    'type: "Im2col" convolution_param { kernel_size: 1 stride: 2 }',
    'type: "ArgMax" argmax_param { axis: 1 out_max_val: true }'])
def test_who_works_in_place_on_it_writes_into_what_it_was_made_of(maker):
    """Also where that layer made its values in another order of memory."""
    net = Net(parse_net(f"""
        layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 3 dim: 4
            dim: 6 }} }} }}
        layer {{ name: "a" {maker} bottom: "x" top: "y" }}
        layer {{ name: "f" type: "Flatten" bottom: "y" top: "f" }}
        layer {{ name: "p" type: "Power" bottom: "f" top: "f" power_param {{ scale: -3 }} }}
        layer {{ name: "r" type: "Power" bottom: "y" top: "z" }}"""), TEST)
    net.blobs['x'].data = torch.linspace(1, 2, 144).reshape(2, 3, 4, 6)
    net.run_forward()
    assert (net.blobs['z'].data <= -3).all()
    assert torch.equal(net.blobs['z'].data.flatten(1), net.blobs['f'].data)
