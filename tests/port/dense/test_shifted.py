"""Shift-and-stitch equals the net a trous to 1e-12 in double precision, wherever no answer reads
padding: LeNet everywhere, AlexNet, CaffeNet, VGG16 and SqueezeNet within the image.
"""

import numpy as np
import pytest
import torch

from netspec.atrous import a_trous
from netspec.schema.messages import TEST
from port.dense.convolutional import convolutionalize
from port.dense.shifted import both_finer, shift_and_stitch
from port.dense.sliding import stride_of
from port.engine.net import Net
from port.engine.random_weights import random_weights
from surgery import Weights

DOUBLE = 1e-12         # of the largest score: sums of some thousand products in another order


def made(classifier):
    """A classifier made convolutional, without its Softmax, and random weights for it."""
    done = convolutionalize(classifier)
    if done.net.layer[-1].type == 'Softmax':
        del done.net.layer[-1]
    net = Net(done.net, TEST)
    random_weights(net, 3)
    return done, Weights({name: [blob.data.numpy().copy() for blob in blobs]
                          for name, blobs in net.params.items()})


def noise(done, size: tuple[int, int]) -> np.ndarray:
    channels = done.net.layer[0].input_param.shape[0].dim[1]
    return np.random.RandomState(1).uniform(-100, 100, (channels, *size)).astype('f')


CASES = [('lenet', 0.25, 1, (45, 50), 18 * 23), ('lenet', 0.25, 2, (40, 37), 7 * 5),
         ('alexnet', 1 / 16, 16, (395, 387), 9), ('caffenet', 1 / 16, 16, (387, 390), 9),
         ('vgg16', 1 / 64, 16, (440, 437), 4), ('squeezenet', 1 / 16, 8, (420, 420), 1)]


@pytest.mark.parametrize(('name', 'width', 'stride', 'size', 'least'), CASES)
def test_both_ways_are_equal(classifiers, name, width, stride, size, least) -> None:
    done, weights = made(classifiers[name](width))
    found = both_finer(done.net, weights, done.size, noise(done, size), stride)
    assert found.factor == stride_of(done.net) // stride and found.holed.dtype == np.float64
    assert found.inside.sum() >= least
    within, anywhere = found.differences
    assert within <= DOUBLE
    # Every pass pads its own borders, so that the padded nets differ where those are seen.
    assert (anywhere <= DOUBLE) == (name == 'lenet') == bool(found.inside.all())


def test_the_stitched_answers_are_those_of_the_windows(classifiers) -> None:
    done, weights = made(classifiers['lenet'](0.25))
    net, image = Net(done.net, TEST, weights=weights, dtype=torch.float64), noise(done, (40, 37))
    stitched = shift_and_stitch(net, image, done.size, 4, 2)
    assert stitched.shape == (10, 7, 5)
    for row, column in ((0, 0), (1, 0), (3, 4), (6, 3)):
        piece = image[None, :, 2 * row:2 * row + 28, 2 * column:2 * column + 28]
        alone = net.forward(data=np.ascontiguousarray(piece))['ip2'][0, :, 0, 0].numpy()
        np.testing.assert_allclose(stitched[:, row, column], alone, rtol=0,
                                   atol=DOUBLE * np.abs(alone).max())


def test_a_stride_that_does_not_divide_names_the_layer(classifiers) -> None:
    done, weights = made(classifiers['lenet'](0.25))
    with pytest.raises(ValueError, match="layer 'ip2' lies on the image every 4 pixels"):
        both_finer(done.net, weights, done.size, noise(done, (40, 37)), 3)


def test_an_image_smaller_than_the_window(classifiers) -> None:
    done, weights = made(classifiers['lenet'](0.25))
    with pytest.raises(ValueError, match='20x37 .* smaller than the window of 28x28'):
        both_finer(done.net, weights, done.size, noise(done, (20, 37)), 2)


@pytest.mark.parametrize(('name', 'width', 'side'), [('alexnet', 1 / 16, 291),
                                                     ('vgg16', 1 / 64, 288)])
def test_a_trous_keeps_the_answers_that_were_there(classifiers, name, width, side) -> None:
    """Padding and all, at a size where no pooling's last window hangs over the border."""
    done, weights = made(classifiers[name](width))
    holed = a_trous(done.net, 8)
    holed.layer[0].input_param.shape[0].dim[2:] = [side, side]
    image = noise(done, (side, side))[None]
    before, after = (next(iter(Net(net, TEST, weights=weights, dtype=torch.float64)
                               .forward(data=image).values())).numpy()
                     for net in (done.net, holed))
    assert before.shape == (1, 1000, 3, 3) and after.shape[2:] == (9, 9)
    assert np.abs(after[..., ::4, ::4] - before).max() <= DOUBLE * np.abs(before).max()
