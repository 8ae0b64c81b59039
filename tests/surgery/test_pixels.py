"""A first layer rewritten for Caffe's pixels: held against plain loops over RGB in 0..1."""

import numpy as np
import pytest

from netspec.variants.data_splits import CAMVID_MEAN, NYUD_MEAN, VOC_MEAN
from surgery.pixels import HALVES, IMAGENET, Pixels, to_bgr, to_rgb

MEANS = {'voc': VOC_MEAN, 'camvid': CAMVID_MEAN, 'nyud': NYUD_MEAN, 'none': (0, 0, 0)}


def correlate(image: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Slide a weight (out, 3, k, k) over a (3, h, w) image, in float64, nothing padded."""
    out, _, k, _ = weight.shape
    height, width = image.shape[1] - k + 1, image.shape[2] - k + 1
    return np.array([[[float((image[:, y:y + k, x:x + k] * weight[o]).sum())
                       for x in range(width)] for y in range(height)] for o in range(out)])


@pytest.fixture
def rgb() -> np.ndarray:
    """A photo's pixels, (3, 6, 7), 0..255, with both ends."""
    pixels = np.random.default_rng(1).integers(0, 256, (3, 6, 7)).astype(float)
    pixels[:, 0, 0], pixels[:, 0, 1] = 0, 255
    return pixels


@pytest.fixture
def weight() -> np.ndarray:
    return np.random.default_rng(2).standard_normal((4, 3, 3, 3)).astype('f')


def normalised(rgb: np.ndarray, pixels: Pixels) -> np.ndarray:
    mean, std = (np.array(part)[:, None, None] for part in pixels)
    return (rgb / 255 - mean) / std


@pytest.mark.parametrize('pixels', [IMAGENET, HALVES], ids=['imagenet', 'halves'])
@pytest.mark.parametrize('net', MEANS)
def test_every_window_inside_the_image_is_equal(rgb, weight, pixels, net) -> None:
    expected = correlate(normalised(rgb, pixels), weight)
    new, shift = to_bgr(weight, pixels, MEANS[net])
    bgr = rgb[::-1] - np.array(MEANS[net])[:, None, None]
    assert np.abs(correlate(bgr, new) + shift[:, None, None] - expected).max() < 1e-12


def test_zero_padding_stands_for_each_nets_mean(rgb, weight) -> None:
    """With the centre as mean the border is equal too; with VOC's it is off by a grey level."""
    pad = ((0, 0), (1, 1), (1, 1))
    expected = correlate(np.pad(normalised(rgb, IMAGENET), pad), weight)
    for mean, exact in ((IMAGENET.centre, True), (VOC_MEAN, False)):
        new, shift = to_bgr(weight, IMAGENET, mean)
        bgr = np.pad(rgb[::-1] - np.array(mean)[:, None, None], pad)
        off = np.abs(correlate(bgr, new) + shift[:, None, None] - expected)
        assert off[:, 1:-1, 1:-1].max() < 1e-12
        assert (off.max() < 1e-12) == exact
    assert np.abs(np.array(VOC_MEAN) - IMAGENET.centre).max() < 1
    assert off.max() <= np.abs(new).sum(axis=(1, 2, 3)).max()


def test_the_centre_is_the_mean_in_caffes_units(weight) -> None:
    assert np.allclose(IMAGENET.centre, (103.53, 116.28, 123.675))
    assert np.allclose(to_bgr(weight, IMAGENET, IMAGENET.centre)[1], 0, atol=1e-12)


def test_there_and_back(weight) -> None:
    new, shift = to_bgr(weight, IMAGENET, VOC_MEAN)
    old, again = to_rgb(new, IMAGENET, VOC_MEAN)
    assert np.abs(old - weight).max() < 1e-14 and np.array_equal(shift, again)


@pytest.mark.parametrize(('shape', 'mean', 'std', 'match'), [
    ((4, 4, 3, 3), VOC_MEAN, (1,) * 3, 'does not see 3 colours'),
    ((4, 3), VOC_MEAN, (1,) * 3, 'does not see 3 colours'),
    ((4, 3, 3, 3), (1.0,), (1,) * 3, 'expected 3 numbers each'),
    ((4, 3, 3, 3), VOC_MEAN, (1, 0, 1), 'no deviation of 0')])
def test_refusals(shape, mean, std, match) -> None:
    with pytest.raises(ValueError, match=match):
        to_bgr(np.ones(shape), Pixels((0.5,) * 3, std), mean)
