"""port.pycaffe.classifier, port.pycaffe.detector: crops in, one row of answers each out."""

import numpy as np
import pytest
from PIL import Image

import port.pycaffe as caffe

MEANS = '''
name: "means" input: "data" input_dim: 4 input_dim: 3 input_dim: 4 input_dim: 4
layer { name: "mean" type: "Pooling" bottom: "data" top: "mean"
        pooling_param { pool: AVE global_pooling: true } }
layer { name: "flat" type: "Flatten" bottom: "mean" top: "flat" }
'''


@pytest.fixture
def files(write, tmp_path) -> tuple[str, str]:
    """A net that answers the mean of each channel, and weights (none) for it."""
    net, weights = write(MEANS), str(tmp_path / 'w.caffemodel')
    caffe.Net(net, caffe.TEST).save(weights)
    return net, weights


@pytest.mark.parametrize('oversample', [True, False])
def test_classifier_answers_every_image(files, oversample) -> None:
    images = [np.full((6, 6, 3), value, np.float32) * [1, 2, 3] for value in (0.1, 0.2, 0.3)]
    net = caffe.Classifier(*files, image_dims=(6, 6), raw_scale=10, channel_swap=(2, 1, 0),
                           mean=np.array([1., 0, 0]))
    out = net.predict(images, oversample)
    assert np.allclose(out, [[3 * v - 1, 2 * v, v] for v in (1, 2, 3)], atol=1e-5)


def test_classifier_takes_the_centre(files) -> None:
    image = np.zeros((8, 8, 3), np.float32)
    image[2:6, 2:6] = 1
    net = caffe.Classifier(*files, image_dims=[8, 8])
    assert np.allclose(net.predict([image], oversample=False), 1)
    assert np.allclose(net.predict([image]), (4 * (4 / 16) + 1) / 5)
    assert tuple(caffe.Classifier(*files).image_dims) == (4, 4)


@pytest.fixture
def picture(tmp_path) -> str:
    pixels = np.zeros((20, 20, 3), np.uint8)
    pixels[5:15, 5:15] = 255
    Image.fromarray(pixels).save(tmp_path / 'p.png')
    return str(tmp_path / 'p.png')


def test_detector_answers_every_window(files, picture) -> None:
    windows = np.array([[5, 5, 15, 15], [0, 0, 5, 5], [0, 0, 20, 20]])
    found = caffe.Detector(*files).detect_windows([(picture, windows)])
    assert [f['filename'] for f in found] == [picture] * 3
    assert np.array_equal(found[2]['window'], windows[2])
    means = [f['prediction'].mean() for f in found]
    assert means[0] == pytest.approx(1) and means[1] == 0 and 0.1 < means[2] < 0.5


def test_detector_shows_context_and_the_mean_outside(files, picture) -> None:
    net = caffe.Detector(*files, context_pad=1, mean=np.array([.5, .5, .5]), raw_scale=1)
    assert net.crop_mean.shape == (4, 4, 3) or net.crop_mean.shape == (1, 1, 3)
    image = caffe.io.load_image(picture)
    assert net.crop(image, [5, 5, 14, 14]).shape == (4, 4, 3)
    corner = net.crop(image, [0, 0, 4, 4])
    assert np.allclose(corner[0], 0.5) and np.allclose(corner[:, 0], 0.5)
    inner, around = (caffe.Detector(*files, context_pad=pad).detect_windows(
        [(picture, [np.array([5, 5, 15, 15])])])[0]['prediction'] for pad in (None, 1))
    assert (around < inner).all()
