"""Pictures in every form give the same scores; what is none is told what it looks like."""

import numpy as np
import pytest
import torch
from PIL import Image

import port
from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.given_images import pictures_of
from port.predict.predictor import NetPredictor

MEAN = (104.00699, 116.66877, 122.67892)      # BGR, of VOC as published
RGB = np.random.default_rng(3).integers(0, 256, (23, 31, 3), np.uint8)
ORIENTATION, TURNED = 0x0112, 6               # EXIF: the camera was held upright


@pytest.fixture(scope='module')
def predict() -> NetPredictor:
    net = Net(fcn('voc-fcn32s', 'deploy', width=0.02), TEST)
    random_weights(net, 1)
    return port.predictor(net, mean=MEAN)


def test_every_form_of_a_picture_gives_the_same_scores(predict: NetPredictor, tmp_path) -> None:
    file = tmp_path / 'a.png'
    Image.fromarray(RGB).save(file)
    planes = (RGB[:, :, ::-1] - np.array(MEAN)).transpose(2, 0, 1)[None].astype(np.float32)
    wanted = np.asarray(predict(planes))
    assert wanted.shape == (1, 21, 23, 31)
    for form in (file, str(file), Image.fromarray(RGB), RGB, [RGB], (file,), RGB[::-1][::-1]):
        assert np.array_equal(np.asarray(predict(form)), wanted)
    assert np.array_equal(np.asarray(predict([RGB, file])), np.concatenate([wanted, wanted]))


def test_a_photograph_is_turned_as_its_camera_noted(tmp_path) -> None:
    image, exif = Image.fromarray(RGB), Image.Exif()
    exif[ORIENTATION] = TURNED
    image.save(tmp_path / 'phone.png', exif=exif)
    for form in (tmp_path / 'phone.png', Image.open(tmp_path / 'phone.png')):
        (found,), alone = pictures_of(form)
        assert alone and np.array_equal(found, np.rot90(RGB, -1))


@pytest.mark.parametrize('shape, dtype, text', [
    ((3, 9, 8), 'f', r'got the shape \[3, 9, 8\]: one image without its N; give array\[None\]'),
    ((9, 8, 3), 'f', 'looks like a picture, H x W x C, in RGB order .* is taken .* float32'),
    ((2, 9, 8, 3), 'f', r'looks like N x H x W x C; .*transpose\(0, 3, 1, 2\), BGR, less the mean'),
    ((1, 4, 9, 8), 'f', r'expected N x 3 x H x W, got the shape \[1, 4, 9, 8\]$'),
    ((9, 8), 'u1', r'got the shape \[9, 8\]$')])
def test_an_array_of_a_wrong_shape(predict: NetPredictor, shape, dtype: str, text: str) -> None:
    for array in (np.zeros(shape, dtype), torch.zeros(shape)):
        with pytest.raises(ValueError, match=text):
            predict(array)
        text = text.replace('float32', 'torch.float32')


def test_pictures_of_several_sizes(predict: NetPredictor) -> None:
    with pytest.raises(ValueError, match='pictures of 2 sizes; give those of one size at a time'):
        predict([RGB, RGB[:9]])


def test_bytes_in_the_nets_own_order_are_pictures(predict: NetPredictor) -> None:
    for array in (np.zeros((1, 3, 9, 8), np.uint8), torch.zeros((1, 3, 9, 8), dtype=torch.uint8)):
        with pytest.raises(ValueError, match='looks like pictures, in RGB order and no mean subtr'):
            predict(array)
