"""MVN against loops that follow Caffe's steps, in place too, and the recorded case."""

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TRAIN
from port.engine.net import Net


def text(across, normalize, eps=2.0 ** -7):
    return (f'type: "MVN" mvn_param {{ across_channels: {str(across).lower()} '
            f'normalize_variance: {str(normalize).lower()} eps: {eps} }}')


def rows(x, across):
    whole = x.reshape(*x.shape, *[1] * (4 - x.ndim))
    return whole.reshape(len(whole) * (1 if across else whole.shape[1]), -1)


def backward(y, dy, dx, spread, normalize):
    """Caffe's steps, a plane at a time; in place dx is dy."""
    for i in range(len(y)):
        if not normalize:
            dx[i] = dy[i] - dy[i].mean()
            continue
        dx[i] = y[i] * dy[i]
        dx[i] = y[i] * dx[i].sum()
        dx[i] += dy[i].sum()
        dx[i] *= -1 / y.shape[1]
        dx[i] += dy[i]
        dx[i] /= spread[i]


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('normalize', [False, True])
@pytest.mark.parametrize('across', [False, True])
@pytest.mark.parametrize('shape', [(2, 3, 4, 5), (3, 2, 6), (4, 3)])
def test_equals_caffes_steps(drive, close, shape, across, normalize, in_place):
    r = np.random.RandomState(len(shape))
    x = r.standard_normal(shape) * 2 + 3
    driven = drive(text(across, normalize), [x], TRAIN, torch.float64, in_place)
    planes = rows(x, across)
    y = planes - planes.mean(1, keepdims=True)
    spread = planes.std(1) + 2.0 ** -7
    if normalize:
        y = y / spread[:, None]
    four = (*shape, *[1] * (4 - len(shape)))
    close(driven.forward()[0], y.reshape(four), 1e-10)
    dy = r.standard_normal(four)
    driven.backward([dy])
    given = rows(dy.copy(), across)
    dx = given if in_place else np.empty_like(given)
    backward(y, given, dx, spread, normalize)
    close(driven.bottom[0].diff.numpy(), dx.reshape(shape), 1e-10)


@pytest.mark.parametrize('across', [False, True])
def test_gradient(check_gradient, across):
    """Caffe leaves the derivative of eps beside the deviation out: exact where eps is tiny."""
    x = np.random.RandomState(1).standard_normal((2, 2, 3, 2))
    check_gradient(text(across, True, 1e-12), [x])
    check_gradient(text(across, False), [x])


def test_refuses_five_axes(drive):
    with pytest.raises(ValueError, match='expected at most 4 axes'):
        drive(text(False, True), [np.ones((1, 1, 1, 1, 2))]).forward()


def test_recorded(recorded):
    recorded('mvn')


@pytest.mark.parametrize('maker', [
    'type: "InnerProduct" inner_product_param { num_output: 3 axis: 2 }', 'type: "ReLU"',
    'type: "Scale" scale_param { filler { value: 2 } bias_term: true }'])
def test_in_place_on_three_axes(maker):
    """It gives the blob a fourth; the layer that made it goes back as with a top of its own."""
    def diffs(top):
        net = Net(parse_net(f"""force_backward: true
            layer {{ name: "x" type: "Input" top: "x" input_param {{ shape {{ dim: 2 dim: 4 dim: 3
                }} }} }}
            layer {{ name: "a" {maker} bottom: "x" top: "y" }}
            layer {{ name: "m" type: "MVN" bottom: "y" top: "{top}" mvn_param {{
                normalize_variance: false }} }}"""), TRAIN)
        if 'a' in net.params:
            net.params['a'][0].data = torch.linspace(1, 2, net.params['a'][0].count).reshape(
                net.params['a'][0].shape)
        for _ in range(2):
            net.blobs['x'].data = torch.linspace(-1, 1, 24).reshape(2, 4, 3) ** 3
            net.run_forward()
            for blobs in net.params.values():
                for blob in blobs:
                    blob.clear_diff()
            net.blobs[top].diff = torch.linspace(1, 0, 24).reshape(2, 4, 3, 1).sqrt()
            net.backward()
        return [net.blobs['x'].diff, *(b.diff for blobs in net.params.values() for b in blobs)]
    for ours, apart in zip(diffs('y'), diffs('z'), strict=True):
        assert ours.any()
        torch.testing.assert_close(ours, apart, rtol=1e-5, atol=1e-6)
