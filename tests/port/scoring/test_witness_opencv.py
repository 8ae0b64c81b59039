"""OpenCV's own Caffe importer as a witness: our prototxt and our caffemodel run there and agree.

Every row that OpenCV can run, at two sizes, through files on disk as a user would give them.
"""

from pathlib import Path

import numpy as np
import pytest

from netspec.families import make_net
from netspec.schema import print_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights

cv2 = pytest.importorskip('cv2', reason='OpenCV is a test dependency: opencv-python-headless<5')

WIDTH = 1 / 32
SIZES = ((64, 96), (67, 101))
# Float32 sums in another order, of the largest score; OpenCV's Winograd convolutions, which are
# coarser by a digit, are off.
TOLERANCE = 3e-5
FORK = {'Upsample', 'BN'}        # layers of SegNet's fork of Caffe, which OpenCV does not know
LIVELY = 3                       # classes that win somewhere: else agreement would say little


def deploy(name: str, folder: Path) -> tuple[Net, Path, Path]:
    """Write a row's deploy net and drawn weights as files; return our net and both paths."""
    model, weights = folder / 'deploy.prototxt', folder / 'w.caffemodel'
    width = WIDTH if VARIANTS[name].trunk in ('vgg16', 'alexnet') else 1 / 4
    model.write_text(print_net(make_net(name, 'deploy', width=width)))
    net = Net(model, TEST)
    random_weights(net, 2 if 'deeplab' in name else 1)   # of which LIVELY classes win
    net.save(weights)
    return net, model, weights


def witness(model: Path, weights: Path):
    """Read a net with OpenCV."""
    net = cv2.dnn.readNetFromCaffe(str(model), str(weights))
    net.enableWinograd(False)
    net.enableFusion(False)      # of BatchNorm into Deconvolution: wrong from the second size on
    return net


def images(net: Net, size: tuple[int, int]) -> dict[str, np.ndarray]:
    rng = np.random.RandomState(4)
    return {name: rng.uniform(-120, 130, (1, net.blobs[name].shape[1], *size)).astype(np.float32)
            for name in net.inputs}


def foreign(name: str) -> bool:
    """Whether a net has what OpenCV does not read: a fork's layers, or poolings that round down.

    ResNet-101's sizes of images are left out too.
    """
    layers = make_net(name, 'deploy', width=WIDTH).layer
    return VARIANTS[name].grid > 1 or any(
        layer.type in FORK or layer.pooling_param.HasField('round_mode') for layer in layers)


@pytest.mark.parametrize('name', [name for name in VARIANTS if not foreign(name)])
def test_row(name: str, tmp_path: Path) -> None:
    net, model, weights = deploy(name, tmp_path)
    other = witness(model, weights)
    for size in SIZES:
        given = images(net, size)
        ours = net.forward(**given)
        for blob, array in given.items():
            other.setInput(array, blob)
        for blob, scores in ours.items():
            theirs, scores = other.forward(blob), scores.numpy()
            assert theirs.shape == scores.shape == (1, scores.shape[1], *size)
            room = TOLERANCE * np.abs(scores).max()
            assert np.abs(theirs - scores).max() <= room
            assert len(np.unique(scores.argmax(1))) >= LIVELY
            chosen = np.take_along_axis(scores, theirs.argmax(1, keepdims=True), 1)
            given_up = scores.max(1) - chosen[:, 0]
            assert given_up.max() <= 2 * room and (given_up == 0).mean() >= 0.999   # but for ties


def test_single_trunks_are_all_there() -> None:
    """What is left out needs SegNet's fork or rounds down; every other row is above."""
    assert {name for name in VARIANTS if foreign(name)} == {
        name for name in VARIANTS if 'segnet' in name or 'resnet' in name}


LEGACY = '''
name: "legacy"
input: "data"
input_dim: 1 input_dim: 3 input_dim: 23 input_dim: 31
layers { bottom: "data" top: "conv1" name: "conv1" type: CONVOLUTION
  convolution_param { num_output: 6 kernel_size: 5 stride: 2 pad: 1 } }
layers { bottom: "conv1" top: "conv1" name: "relu1" type: RELU }
layers { bottom: "conv1" top: "pool1" name: "pool1" type: POOLING
  pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layers { bottom: "pool1" top: "norm1" name: "norm1" type: LRN
  lrn_param { local_size: 3 alpha: 0.01 beta: 0.75 } }
layers { bottom: "norm1" top: "fc2" name: "fc2" type: INNER_PRODUCT
  inner_product_param { num_output: 5 } }
layers { bottom: "fc2" top: "prob" name: "prob" type: SOFTMAX }
'''


def test_old_net(tmp_path: Path) -> None:
    """A V1 net file of 2014 with a matrix at its end, as both read it."""
    model, weights = tmp_path / 'old.prototxt', tmp_path / 'w.caffemodel'
    model.write_text(LEGACY)
    net = Net(model, TEST)
    random_weights(net, 2)
    net.save(weights)
    data = np.random.RandomState(3).uniform(-3, 3, (1, 3, 23, 31)).astype(np.float32)
    other = witness(model, weights)
    other.setInput(data, 'data')
    ours = net.forward(data=data)['prob'].numpy()
    assert np.abs(other.forward('prob').reshape(ours.shape) - ours).max() <= TOLERANCE
    assert 0.1 < ours.max() < 0.999
