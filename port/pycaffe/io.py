"""caffe.io: blobs and datums to arrays and back, images to network inputs (python/caffe/io.py)."""

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Literal

import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates, zoom

from netspec.schema import array_blob, blob_array
from port.pycaffe.proto import caffe_pb2
from port.pycaffe.stored import load_mean, read_lmdb, save_mean, write_lmdb  # noqa: F401

Size = Sequence[int] | np.ndarray
LUMA = np.array([0.2125, 0.7154, 0.0721])     # scikit-image's rgb2gray, which pycaffe uses


# -- blobs and datums ------------------------------------------------------------------------------

def blobproto_to_array(blob: caffe_pb2.BlobProto, return_diff: bool = False) -> np.ndarray:
    """Return a BlobProto's data, or its diff, as an array of doubles in its shape."""
    return blob_array(blob, return_diff).astype(float)


def array_to_blobproto(arr: np.ndarray, diff: np.ndarray | None = None) -> caffe_pb2.BlobProto:
    """Return a BlobProto of an array of any number of axes; `diff` has the same shape."""
    return array_blob(arr, diff)


def arraylist_to_blobprotovector_str(arraylist: Iterable[np.ndarray]) -> bytes:
    """Return the serialised BlobProtoVector of some arrays."""
    return caffe_pb2.BlobProtoVector(
        blobs=[array_to_blobproto(a) for a in arraylist]).SerializeToString()


def blobprotovector_str_to_arraylist(data: bytes) -> list[np.ndarray]:
    """Return the arrays of a serialised BlobProtoVector."""
    return [blobproto_to_array(b) for b in caffe_pb2.BlobProtoVector.FromString(data).blobs]


def array_to_datum(arr: np.ndarray, label: int | None = None) -> caffe_pb2.Datum:
    """Return a Datum of a C x H x W array: bytes for uint8, else floats."""
    if arr.ndim != 3:
        raise ValueError(f'Incorrect array shape: {arr.shape}; expected channels x height x width')
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: caffe_pb2.Datum) -> np.ndarray:
    """Return a Datum's C x H x W array: uint8, or double where it holds floats."""
    shape = datum.channels, datum.height, datum.width
    if len(datum.data):
        return np.frombuffer(datum.data, np.uint8).reshape(shape).copy()
    return np.array(datum.float_data, float).reshape(shape)


# -- images ----------------------------------------------------------------------------------------

def load_image(filename: str | PathLike, color: bool = True) -> np.ndarray:
    """Read an image as float32 in [0, 1]: H x W x 3 in RGB, or H x W x 1 without color.

    Transparency is left out. 16-bit images are divided by 65535.
    """
    with Image.open(filename) as image:
        pixels = _pixels(image)
    if not color and pixels.ndim == 3:
        pixels = pixels[:, :, :3] @ LUMA
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, np.newaxis], 3 if color else 1, axis=2)
    return pixels[:, :, :3].astype(np.float32)


def _pixels(image: Image.Image) -> np.ndarray:
    """Return an opened image as doubles in [0, 1], H x W or H x W x channels."""
    if image.mode.startswith(('I', 'F')):
        return np.asarray(image, float) / (65535 if image.mode.startswith('I') else 1)
    if image.mode == 'LA':
        image = image.convert('RGBA')
    elif image.mode not in ('L', 'RGB', 'RGBA'):
        image = image.convert('L' if image.mode == '1' else 'RGB')
    return np.asarray(image) / 255.0


def resize_image(im: np.ndarray, new_dims: Size, interp_order: Literal[0, 1, 2, 3, 4, 5] = 1
                 ) -> np.ndarray:
    """Resize H x W x K to new_dims (height, width), bilinear unless interp_order says otherwise.

    As pycaffe with the scikit-image of its time: pixel centres are aligned, what lies outside
    counts as the darkest value, nothing is smoothed first; with K other than 1 and 3 the corners
    are aligned instead (scipy's zoom).
    """
    height, width = (int(n) for n in new_dims)
    if im.shape[-1] not in (1, 3):
        scale = (height / im.shape[0], width / im.shape[1], 1)
        return zoom(im, scale, order=interp_order).astype(np.float32)
    low, high = im.min(), im.max()
    if not high > low:
        return np.full((height, width, im.shape[-1]), low, np.float32)
    rows, columns = ((np.arange(new) + 0.5) * (old / new) - 0.5
                     for new, old in zip((height, width), im.shape, strict=False))
    at = np.array(np.meshgrid(rows, columns, indexing='ij'))
    unit = (im - low) / (high - low)
    planes = [map_coordinates(unit[:, :, k], at, order=interp_order, mode='grid-constant')
              for k in range(im.shape[-1])]
    return (np.stack(planes, axis=2) * (high - low) + low).astype(np.float32)


def oversample(images: Sequence[np.ndarray] | np.ndarray, crop_dims: Size) -> np.ndarray:
    """Cut images into four corners and centre, and their mirrors: 10 N x H x W x K in float32.

    Of each image first the five crops, then the five mirrored.
    """
    height, width = (int(n) for n in crop_dims)
    rows, columns = images[0].shape[:2]
    corners = [(i, j) for i in (0, rows - height) for j in (0, columns - width)]
    corners.append((int(rows / 2 - height / 2), int(columns / 2 - width / 2)))
    crops = []
    for image in images:
        five = [image[i:i + height, j:j + width] for i, j in corners]
        crops += five + [crop[:, ::-1] for crop in five]
    return np.array(crops, np.float32)


class Transformer:
    """Prepare images for a net's inputs, and undo it.

    inputs: {blob name: shape N x K x H x W}. Steps, each left out until it is set: resize,
    transpose, channel_swap, raw_scale, mean, input_scale.
    """

    def __init__(self, inputs: dict[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, np.ndarray] = {}
        self.input_scale: dict[str, float] = {}

    def __check_input(self, in_: str) -> None:
        if in_ not in self.inputs:
            raise Exception(f'{in_} is not one of the net inputs: {self.inputs}')

    def preprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """Return an H' x W' x K image as the K x H x W float32 that the input takes."""
        self.__check_input(in_)
        array, dims = np.array(data, np.float32), tuple(self.inputs[in_][2:])
        if array.shape[:2] != dims:
            array = resize_image(array, dims)
        if in_ in self.transpose:
            array = array.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            array = array[list(self.channel_swap[in_])]
        if self.raw_scale.get(in_) is not None:
            array *= self.raw_scale[in_]
        if in_ in self.mean:
            array -= self.mean[in_]
        if self.input_scale.get(in_) is not None:
            array *= self.input_scale[in_]
        return array

    def deprocess(self, in_: str, data: np.ndarray) -> np.ndarray:
        """Return the image of a K x H x W (or 1 x K x H x W) input: the steps undone in turn."""
        self.__check_input(in_)
        array = data.copy().squeeze()
        if self.input_scale.get(in_) is not None:
            array /= self.input_scale[in_]
        if in_ in self.mean:
            array += self.mean[in_]
        if self.raw_scale.get(in_) is not None:
            array /= self.raw_scale[in_]
        if in_ in self.channel_swap:
            array = array[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            array = array.transpose(np.argsort(self.transpose[in_]))
        return array

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the axes: (2, 0, 1) makes K x H x W of H x W x K."""
        self.__check_input(in_)
        if len(order) != len(self.inputs[in_]) - 1:
            raise Exception('Transpose order needs to have the same number of dimensions as the '
                            f'input: {len(self.inputs[in_]) - 1}, got {order}')
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """Set the order of the channels: (2, 1, 0) makes BGR of RGB."""
        self.__check_input(in_)
        if len(order) != self.inputs[in_][1]:
            raise Exception('Channel swap needs to have the same number of dimensions as the '
                            f'input channels: {self.inputs[in_][1]}, got {order}')
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """Set the factor that the image is multiplied by before the mean is subtracted."""
        self.__check_input(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: np.ndarray) -> None:
        """Set the mean: K numbers, K x H x W, or H x W for one channel; resized where it must."""
        self.__check_input(in_)
        item = tuple(self.inputs[in_][1:])
        if mean.ndim == 1:
            if len(mean) != item[0]:
                raise ValueError(f'Mean channels incompatible with input: {len(mean)}, the input '
                                 f'has {item[0]}')
            mean = mean[:, np.newaxis, np.newaxis]
        elif mean.ndim not in (2, 3):
            raise ValueError(f'Mean shape invalid: {mean.shape}')
        elif (1,) * (3 - mean.ndim) + mean.shape != item:
            mean = _resized_mean(mean, item[1:])
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """Set the factor that the input is multiplied by after the mean is subtracted."""
        self.__check_input(in_)
        self.input_scale[in_] = scale


def _resized_mean(mean: np.ndarray, dims: Sequence[int]) -> np.ndarray:
    low, high = mean.min(), mean.max()
    unit = (mean - low) / (high - low)
    return resize_image(unit.transpose(1, 2, 0), dims).transpose(2, 0, 1) * (high - low) + low
