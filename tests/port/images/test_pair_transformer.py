"""PairTransformer against its steps written out in numpy, and its draws counted."""

import numpy as np
import pytest

from netspec.schema.messages import TEST, TRAIN, TransformationParameter
from netspec.schema.text import parse
from port.images.caffe_images import resize, resize_nearest
from port.images.pair_transformer import PairTransformer

MEAN = (104.008, 116.669, 122.675)
MEANS = ' '.join(f'mean_value: {v}' for v in MEAN)


def transformer(text: str, phase: int = TEST, void: int = 255) -> PairTransformer:
    param = TransformationParameter()
    parse(text, param)
    return PairTransformer(param, phase, np.float32, void)


def pair(height: int = 6, width: int = 8) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.RandomState(0)
    return (draw.randint(0, 256, (3, height, width)).astype('u1'),
            draw.randint(0, 21, (1, height, width)).astype('u1'))


def less_mean(pixels: np.ndarray) -> np.ndarray:
    return pixels - np.float32(MEAN)[:, None, None]


def test_padding_lies_below_and_right_and_is_the_mean():
    pixels, labels = pair()
    data, out = transformer(f'crop_size: 10 {MEANS}', void=7).pair(pixels, labels, None)
    np.testing.assert_allclose(data[:, :6, :8], less_mean(pixels))
    assert np.array_equal(out[:, :6, :8], labels)
    assert not data[:, 6:].any() and not data[:, :, 8:].any()
    assert set(out[:, 6:].ravel()) | set(out[:, :, 8:].ravel()) == {7}


def test_the_middle_is_cut_out_in_test():
    pixels, labels = pair(7, 9)
    data, out = transformer(f'crop_height: 4 crop_width: 12 {MEANS} scale: 0.5').pair(
        pixels, labels, None)
    np.testing.assert_allclose(data[:, :, :9], less_mean(pixels)[:, 1:5] * 0.5, rtol=1e-6)
    assert np.array_equal(out[:, :, :9], labels[:, 1:5]) and out.shape == (1, 4, 12)


def test_one_mean_serves_all_channels_and_none_is_zero():
    pixels, labels = pair()
    data, _ = transformer('mean_value: 104.008 crop_size: 9').pair(pixels, labels, None)
    np.testing.assert_allclose(data[:, :6, :8], pixels - np.float32(104.008))
    data, _ = transformer('').pair(pixels, labels, None)
    assert np.array_equal(data, pixels)


@pytest.mark.parametrize('factor', [0.5, 0.75, 1, 1.25, 1.5])
def test_scaling_truncates_sizes(factor):
    pixels, labels = pair(7, 9)
    data, out = transformer(f'scale_factors: {factor}').pair(pixels, labels, None)
    height, width = int(7 * factor), int(9 * factor)
    assert np.array_equal(data, resize(pixels, height, width))
    assert np.array_equal(out, resize_nearest(labels, height, width))


def test_draws():
    """Each mirror, scale and place comes, picture and labels together; a seed repeats them."""
    plain = np.arange(30).reshape(1, 5, 6)
    pixels, labels = plain.repeat(3, 0).astype('u1'), plain.astype('u1')
    made = transformer('crop_size: 4 mirror: true scale_factors: 1 scale_factors: 2', TRAIN)
    assert made.needs_random
    seen = set()
    for seed in range(600):
        data, out = made.pair(pixels, labels, np.random.RandomState(seed))
        again = made.pair(pixels, labels, np.random.RandomState(seed))
        assert np.array_equal(data, again[0]) and np.array_equal(out, again[1])
        row = out[0, 0]
        scaled = len(set(row)) < 4
        mirrored = bool(row[0] > row[-1])
        first = row[::-1] if mirrored else row
        if not scaled:
            assert np.array_equal(data[0], out[0])
        seen.add((mirrored, scaled, int(first[0]) if not scaled else -1))
    places = {6 * top + left for top in (0, 1) for left in (0, 1, 2)}
    assert seen == {(m, False, place) for m in (False, True) for place in places} | {
        (False, True, -1), (True, True, -1)}


def test_mirroring_needs_numbers_in_test_too():
    pixels, labels = pair()
    made = transformer('mirror: true')
    sides = {bool((made.pair(pixels, labels, np.random.RandomState(seed))[1] == labels).all())
             for seed in range(20)}
    assert made.needs_random and sides == {True, False}
    assert not transformer('crop_size: 4').needs_random
    assert not transformer('scale_factors: 0.5').needs_random
    assert transformer('scale_factors: 0.5 scale_factors: 1').needs_random


@pytest.mark.parametrize('options, words', [
    ('crop_size: 4 crop_height: 4 crop_width: 4', 'crop_size, or both crop_height and'),
    ('crop_height: 4', 'or both crop_height and crop_width'),
    ('mean_file: "m"', 'ImageSegData takes mean_value'),
    ('scale_factors: 0', 'scale_factors holds 0; expected more than 0')])
def test_options_that_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        transformer(options)


def test_images_that_are_refused():
    with pytest.raises(ValueError, match='nothing once scaled by 0.1'):
        transformer('scale_factors: 0.1').pair(*pair(), None)
    with pytest.raises(ValueError, match='2 mean_values for 3 channels'):
        transformer('mean_value: 1 mean_value: 2').pair(*pair(), None)
