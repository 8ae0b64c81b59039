"""port.pycaffe.io: protos and arrays, images, crops, the Transformer."""

import numpy as np
import pytest
from PIL import Image

import port.pycaffe as caffe
from port.pycaffe import io

RNG = np.random.default_rng(0)


def test_blobprotos_there_and_back() -> None:
    array, diff = RNG.normal(size=(2, 3, 4)).astype(np.float32), np.ones((2, 3, 4), np.float32)
    blob = io.array_to_blobproto(array, diff)
    assert list(blob.shape.dim) == [2, 3, 4] and blob.data[5] == array.flat[5]
    assert np.array_equal(io.blobproto_to_array(blob), array)
    assert np.array_equal(io.blobproto_to_array(blob, return_diff=True), diff)
    packed = io.arraylist_to_blobprotovector_str([array, diff[0]])
    first, second = io.blobprotovector_str_to_arraylist(packed)
    assert np.array_equal(first, array) and second.shape == (3, 4)


def test_old_blobs_have_four_sizes() -> None:
    blob = caffe.proto.caffe_pb2.BlobProto(data=[1] * 6, num=1, channels=1, height=2, width=3)
    assert io.blobproto_to_array(blob).shape == (1, 1, 2, 3)
    with pytest.raises(ValueError):
        io.blobproto_to_array(caffe.proto.caffe_pb2.BlobProto(data=[1] * 6))


def test_datums() -> None:
    bytes_, floats = np.arange(12, dtype=np.uint8).reshape(3, 2, 2), np.ones((1, 2, 3)) / 2
    datum = io.array_to_datum(bytes_, label=7)
    assert (datum.channels, datum.height, datum.width, datum.label) == (3, 2, 2, 7)
    assert np.array_equal(io.datum_to_array(datum), bytes_)
    assert np.array_equal(io.datum_to_array(io.array_to_datum(floats)), floats)
    with pytest.raises(ValueError, match='Incorrect array shape'):
        io.array_to_datum(np.ones(3))


@pytest.mark.parametrize(('mode', 'pixel', 'rgb'), [
    ('RGB', (255, 51, 0), (1, 0.2, 0)), ('RGBA', (0, 255, 51, 9), (0, 1, 0.2)),
    ('L', 51, (0.2, 0.2, 0.2)), ('LA', (51, 0), (0.2,) * 3), ('1', 1, (1, 1, 1))])
def test_load_image(tmp_path, mode, pixel, rgb) -> None:
    Image.new(mode, (3, 2), pixel).save(tmp_path / 'i.png')
    image = io.load_image(str(tmp_path / 'i.png'))
    assert image.shape == (2, 3, 3) and image.dtype == np.float32
    assert np.allclose(image[1, 2], rgb)
    grey = io.load_image(str(tmp_path / 'i.png'), color=False)
    assert grey.shape == (2, 3, 1)
    assert np.allclose(grey, np.dot(rgb, [0.2125, 0.7154, 0.0721]))


def test_load_image_of_16_bits(tmp_path) -> None:
    Image.fromarray(np.full((2, 2), 13107, np.uint16)).save(tmp_path / 'i.png')
    assert np.allclose(io.load_image(tmp_path / 'i.png'), 0.2)


def bilinear(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Plain loops: pixel centres aligned, the darkest value outside."""
    low = image.min()
    padded = np.pad(image, ((1, 1), (1, 1), (0, 0)), constant_values=low)
    out = np.zeros((height, width, image.shape[2]))
    for i in range(height):
        for j in range(width):
            y = (i + 0.5) * image.shape[0] / height - 0.5 + 1
            x = (j + 0.5) * image.shape[1] / width - 0.5 + 1
            y0, x0 = int(np.floor(y)), int(np.floor(x))
            for dy, wy in ((0, 1 - y + y0), (1, y - y0)):
                for dx, wx in ((0, 1 - x + x0), (1, x - x0)):
                    if wy * wx:
                        out[i, j] += wy * wx * padded[y0 + dy, x0 + dx]
    return out


@pytest.mark.parametrize('size', [(8, 9), (3, 2), (4, 5), (4, 10)])
def test_resize_image(size) -> None:
    image = RNG.normal(size=(4, 5, 3)).astype(np.float32)
    resized = io.resize_image(image, size)
    assert resized.dtype == np.float32
    assert np.allclose(resized, bilinear(image, *size), atol=1e-5)


def test_resize_image_of_other_kinds() -> None:
    flat = io.resize_image(np.full((2, 2, 3), 5.0), (3, 4))
    assert flat.shape == (3, 4, 3) and (flat == 5).all()
    ramp = np.arange(3.0)[:, None, None] * np.ones((1, 2, 2))          # 2 channels: corners kept
    assert np.allclose(io.resize_image(ramp, (5, 2))[:, 0, 0], [0, .5, 1, 1.5, 2])


def test_oversample() -> None:
    image = np.arange(20.0).reshape(4, 5, 1)
    crops = io.oversample([image, -image], (2, 3))
    assert crops.shape == (20, 2, 3, 1) and crops.dtype == np.float32
    corners = [(0, 0), (0, 2), (2, 0), (2, 2), (1, 1)]
    for k, (i, j) in enumerate(corners):
        assert np.array_equal(crops[k], image[i:i + 2, j:j + 3])
        assert np.array_equal(crops[5 + k], image[i:i + 2, j:j + 3][:, ::-1])
    assert np.array_equal(crops[10], -image[:2, :3])


@pytest.fixture
def transformer() -> io.Transformer:
    made = io.Transformer({'data': (1, 3, 4, 5)})
    made.set_transpose('data', (2, 0, 1))
    made.set_channel_swap('data', (2, 1, 0))
    made.set_raw_scale('data', 255)
    made.set_mean('data', np.array([10., 20, 30]))
    made.set_input_scale('data', 0.5)
    return made


def test_transformer_steps_in_their_order(transformer) -> None:
    image = RNG.random((4, 5, 3)).astype(np.float32)
    before = image.copy()
    ready = transformer.preprocess('data', image)
    for k, mean in enumerate((10, 20, 30)):
        assert np.allclose(ready[k], (255 * image[:, :, 2 - k] - mean) * 0.5, atol=1e-4)
    assert np.allclose(transformer.deprocess('data', ready[None]), image, atol=1e-6)
    assert np.array_equal(image, before)
    assert transformer.preprocess('data', np.ones((9, 9, 3))).shape == (3, 4, 5)


def test_means_of_all_shapes() -> None:
    made = io.Transformer({'data': (1, 3, 4, 5)})
    mean = RNG.random((3, 4, 5))
    made.set_mean('data', mean)
    assert made.mean['data'] is mean
    made.set_mean('data', np.full((3, 8, 8), 2.) + np.arange(8))
    assert made.mean['data'].shape == (3, 4, 5)
    for bad, message in ((np.ones(4), 'Mean channels incompatible'),
                         (np.ones((1, 1, 1, 1)), 'Mean shape invalid')):
        with pytest.raises(ValueError, match=message):
            made.set_mean('data', bad)


def test_what_the_transformer_refuses(transformer) -> None:
    for call, message in (
            (lambda: transformer.preprocess('x', np.ones((1, 1, 3))), 'x is not one of the net'),
            (lambda: transformer.set_transpose('data', (1, 0)), 'Transpose order'),
            (lambda: transformer.set_channel_swap('data', (1, 0)), 'Channel swap')):
        with pytest.raises(Exception, match=message):
            call()
