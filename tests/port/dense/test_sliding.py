"""A map against the windows that it stands for: equal without padding, and how far off with it."""

import numpy as np
import pytest

from netspec import NetSpec
from netspec import layers as L
from netspec import params as P
from netspec.schema.messages import TEST, NetParameter
from port.dense.convolutional import convolutionalize
from port.dense.sliding import both_ways, slide
from port.engine.net import Net
from port.engine.random_weights import random_weights
from surgery import Weights


def small(pad: int, size: int) -> NetParameter:
    """Two convolutions, two poolings, a matrix over all that is left: stride 4."""
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, size, size]))
    top = n.data
    for i in (1, 2):
        n[f'conv{i}'] = L.Convolution(top, num_output=8, kernel_size=3, pad=pad)
        n[f'relu{i}'] = L.ReLU(n[f'conv{i}'], in_place=True)
        top = n[f'pool{i}'] = L.Pooling(n[f'relu{i}'], pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.ip = L.InnerProduct(top, num_output=5)
    return n.to_proto()


def dense(pad: int, size: int, seed: int = 0):
    net = Net(small(pad, size), TEST)
    random_weights(net, seed)
    weights = Weights({name: [blob.data.numpy().copy() for blob in blobs]
                       for name, blobs in net.params.items()})
    image = 50 * np.random.default_rng(seed).standard_normal((3, 45, 51)).astype('f')
    return both_ways(convolutionalize(small(pad, size)), weights, image), net, image


@pytest.mark.parametrize('size', [22, 26])
def test_equal_without_padding(size: int) -> None:
    found, net, image = dense(0, size)
    rows, columns = (45 - size) // 4 + 1, (51 - size) // 4 + 1
    assert found.map.shape == found.windows.shape == (5, rows, columns)
    assert found.stride == 4 and not found.padded and found.difference <= 1e-5
    row, column = 2, 3             # one window by hand, by the classifier itself
    piece = image[None, :, 4 * row:4 * row + size, 4 * column:4 * column + size]
    wanted = net.forward(data=np.ascontiguousarray(piece))['ip'][0].numpy()
    np.testing.assert_allclose(found.map[:, row, column], wanted, rtol=0,
                               atol=1e-5 * np.abs(wanted).max())


def test_not_equal_where_windows_pad_their_own_borders() -> None:
    found, _, _ = dense(1, 24)
    assert found.padded and found.difference > 0.1


def test_an_image_smaller_than_the_window_is_refused() -> None:
    net = Net(small(0, 22), TEST)
    with pytest.raises(ValueError, match='21x40.*window of 22x22'):
        slide(net, np.zeros((3, 21, 40), 'f'), (22, 22), 4)
