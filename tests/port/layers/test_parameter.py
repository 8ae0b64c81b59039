"""Parameter: the top is the parameter, data and diff, and its gradient is overwritten."""

import numpy as np
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TRAIN
from port.engine.net import Net

TEXT = 'type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } } top: "w"'


def test_the_top_is_the_parameter(drive):
    driven = drive(TEXT, [])
    assert driven.top[0].shape == driven.layer.blobs[0].shape == (2, 3)
    driven.layer.blobs[0].data = torch.arange(6.0).view(2, 3)
    assert np.array_equal(driven.forward()[0], np.arange(6).reshape(2, 3))
    assert driven.top[0].data.data_ptr() == driven.layer.blobs[0].data.data_ptr()
    driven.layer.blobs[0].data.fill_(7)
    assert driven.top[0].data.numpy().min() == 7


def test_the_gradient_is_that_of_the_last_pass(drive):
    driven = drive(TEXT, [])
    for value in (1.0, 2.0):
        driven.forward()
        driven.top[0].diff = torch.full((2, 3), value)
        driven.layer.backward(driven.top, [], [])
    assert driven.layer.blobs[0].diff.unique().tolist() == [2]


def test_without_a_shape_it_is_a_scalar(drive):
    assert drive('type: "Parameter" top: "w"', []).forward()[0].shape == ()


def test_in_a_net_it_learns_from_its_readers():
    net = Net(parse_net("""
        force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 4 dim: 3 } } }
        layer { name: "p" type: "Parameter" top: "w" parameter_param { shape { dim: 3 } } }
        layer { name: "s" type: "Scale" bottom: "x" bottom: "w" top: "y" }"""), TRAIN)
    x = np.arange(12.0).reshape(4, 3)
    net.params['p'][0].data = torch.tensor([1.0, -2, 3])
    assert np.array_equal(net(x=x)['y'].numpy(), x * [1, -2, 3])
    for _ in range(2):
        net.blobs['y'].diff = torch.ones(4, 3)
        net.backward()
        assert np.array_equal(net.params['p'][0].diff.numpy(), x.sum(0))
