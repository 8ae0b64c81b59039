"""Decoding and resizing against OpenCV, which Caffe's data layers use."""

import io

import numpy as np
import pytest
from PIL import Image

from port.images.caffe_images import decode, read_image, read_label, resize, resize_nearest

MODES = ['RGB', 'RGBA', 'L', 'LA', 'P', '1']


def encoded(mode, kind, seed=0):
    pixels = np.random.RandomState(seed).randint(0, 256, (24, 31, 4)).astype('u1')
    memory = io.BytesIO()
    Image.fromarray(pixels, 'RGBA').convert(mode).save(memory, kind)
    return memory.getvalue()


@pytest.mark.filterwarnings('ignore:.*mode.*:DeprecationWarning')
@pytest.mark.parametrize('color, flag', [(True, 1), (False, 0), (None, -1)])
@pytest.mark.parametrize('mode, kind', [(m, 'PNG') for m in MODES]
                         + [('RGB', 'BMP'), ('RGB', 'JPEG'), ('L', 'JPEG')])
def test_decodes_as_opencv(mode, kind, color, flag):
    cv2 = pytest.importorskip('cv2')
    data = encoded(mode, kind)
    want = cv2.imdecode(np.frombuffer(data, 'u1'), flag).reshape(24, 31, -1).transpose(2, 0, 1)
    np.testing.assert_array_equal(decode(data, color), want)


def test_sixteen_bits_are_shortened_and_refused_as_stored():
    values = np.array([[0x12ff, 0xff00]], 'u2')
    memory = io.BytesIO()
    Image.fromarray(values).save(memory, 'PNG')
    assert decode(memory.getvalue(), False).tolist() == [[[0x12, 0xff]]]
    with pytest.raises(ValueError, match='expected 8 bits a channel'):
        decode(memory.getvalue(), None)


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('old, new', [
    ((13, 17), (7, 9)), ((13, 17), (30, 41)), ((40, 60), (20, 30)), ((7, 8), (14, 16)),
    ((1, 1), (4, 4)), ((5, 5), (1, 1)), ((64, 64), (32, 33)), ((37, 50), (100, 20))])
def test_resizes_as_opencv(old, new, channels):
    cv2 = pytest.importorskip('cv2')
    pixels = np.random.RandomState(1).randint(0, 256, (*old, channels)).astype('u1')
    want = cv2.resize(pixels, new[::-1]).reshape(*new, channels).transpose(2, 0, 1)
    np.testing.assert_array_equal(resize(pixels.transpose(2, 0, 1), *new), want)


@pytest.mark.parametrize('old, new', [((13, 17), (7, 9)), ((13, 17), (30, 41)), ((9, 5), (4, 2)),
                                      ((37, 50), (46, 62)), ((33, 47), (49, 70))])
def test_takes_the_nearest_as_opencv(old, new):
    cv2 = pytest.importorskip('cv2')
    pixels = np.random.RandomState(2).randint(0, 256, old).astype('u1')
    want = cv2.resize(pixels, new[::-1], interpolation=cv2.INTER_NEAREST)
    np.testing.assert_array_equal(resize_nearest(pixels[None], *new)[0], want)


def test_a_label_is_a_palettes_index_or_grey(tmp_path):
    picture = Image.fromarray(np.array([[0, 1, 255]], 'u1'))
    picture.save(tmp_path / 'grey.png')
    picture.putpalette([0, 0, 0, 128, 0, 0] + [200] * 762)
    picture.save(tmp_path / 'palette.png')
    assert picture.mode == 'P'
    for name in ('grey', 'palette'):
        assert read_label(tmp_path / f'{name}.png').tolist() == [[[0, 1, 255]]]
    assert read_image(tmp_path / 'palette.png', False)[0, 0, 1] == 38        # its luminance
    picture.convert('RGB').save(tmp_path / 'colours.png')
    assert read_label(tmp_path / 'colours.png')[0, 0, 1] == 38


def test_resize_takes_places_between_two_pixels():
    assert resize(np.array([[[0, 100]]], 'u1'), 1, 4).tolist() == [[[0, 25, 75, 100]]]


def test_refusals(tmp_path):
    with pytest.raises(FileNotFoundError, match='no such image'):
        read_image(tmp_path / 'absent.png', True)
    with pytest.raises(FileNotFoundError, match='no such label image'):
        read_label(tmp_path / 'absent.png')
    (tmp_path / 'text.png').write_text('hello')
    with pytest.raises(ValueError, match='text.png: the image cannot be read'):
        read_image(tmp_path / 'text.png', True)
    with pytest.raises(ValueError, match='cannot be decoded'):
        decode(b'hello', True)
    with pytest.raises(ValueError, match='text.png: the label image cannot be read'):
        read_label(tmp_path / 'text.png')
