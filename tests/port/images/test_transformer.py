"""transform_param against a loop over pixels, and the range of its random crops and mirrors."""

import numpy as np
import pytest
from google.protobuf import text_format

from netspec.schema import array_blob, write_binary
from netspec.schema.messages import TEST, TRAIN, TransformationParameter
from port.images.transformer import Transformer


def transformer(text='', phase=TEST):
    return Transformer(text_format.Parse(text, TransformationParameter()), phase)


def random(seed=0):
    return np.random.RandomState(seed)


def plain(pixels, size, scale, mean, mirror):
    """The middle crop, pixel by pixel."""
    channels, height, width = pixels.shape
    rows, columns = size or height, size or width
    top, left = (height - rows) // 2, (width - columns) // 2
    out = np.zeros((channels, rows, columns), 'f')
    for c, y, x in np.ndindex(out.shape):
        value = (float(pixels[c, top + y, left + x]) - mean[c, top + y, left + x]) * scale
        out[c, y, columns - 1 - x if mirror else x] = value
    return out


@pytest.mark.parametrize('mirror', [False, True])
@pytest.mark.parametrize('size', [0, 3, 4])
@pytest.mark.parametrize('kind', ['none', 'one', 'each', 'file'])
def test_equals_a_loop(tmp_path, mirror, size, kind):
    pixels = random(1).randint(0, 256, (3, 5, 6)).astype('u1')
    mean = {'none': np.zeros(3), 'one': np.full(3, 7.5), 'each': np.array([1.5, 2, 3])}.get(kind)
    mean = random(2).rand(3, 5, 6) * 9 if mean is None else np.tile(mean[:, None, None], (5, 6))
    write_binary(tmp_path / 'mean', array_blob(mean[None].astype('f')))
    given = {'none': '', 'one': 'mean_value: 7.5', 'file': f'mean_file: "{tmp_path}/mean"',
             'each': 'mean_value: 1.5 mean_value: 2 mean_value: 3'}[kind]
    made = transformer(f'scale: 0.25 crop_size: {size} mirror: {str(mirror).lower()} {given}')
    seed = next(s for s in range(9) if random(s).randint(2) == mirror)
    np.testing.assert_allclose(made(pixels, random(seed)),
                               plain(pixels, size, 0.25, mean, mirror), atol=1e-4)
    assert made.out_shape(pixels.shape) == (3, size or 5, size or 6)


def test_training_crops_lie_anywhere_and_mirror_half_the_time():
    pixels = np.arange(20, dtype='u1').reshape(1, 4, 5)
    made = transformer('crop_size: 3 mirror: true', TRAIN)
    seen = {tuple(made(pixels, random(s)).reshape(-1)) for s in range(200)}
    corners = {(y, x): pixels[:, y:y + 3, x:x + 3] for y in range(2) for x in range(3)}
    want = {tuple(part[:, :, ::d].reshape(-1)) for part in corners.values() for d in (1, -1)}
    assert seen == want
    assert not transformer('crop_size: 3', TEST).needs_random
    assert transformer('crop_size: 3', TRAIN).needs_random


def test_floats_keep_their_values():
    values = np.array([[[0.5, -1.5]]], 'f')
    assert transformer('scale: 2')(values, None).tolist() == [[[1.0, -3.0]]]


def test_refusals(tmp_path):
    write_binary(tmp_path / 'm', array_blob(np.zeros((1, 3, 4, 4), 'f')))
    for text, said in [('crop_size: 5', r'crop_size is 5 but the image is 4 x 6'),
                       ('mean_value: 1 mean_value: 2', '2 mean_values for 3 channels'),
                       (f'mean_file: "{tmp_path}/m"', r'shape \[3, 4, 4\] but the image')]:
        with pytest.raises(ValueError, match=said):
            transformer(text)(np.zeros((3, 6, 4)), random())
    with pytest.raises(ValueError, match='both mean_file and mean_value'):
        transformer('mean_file: "m" mean_value: 1')
