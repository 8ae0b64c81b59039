"""Images as Caffe's data layers get them from OpenCV: B, G, R planes, grey, resized.

Decoding is Pillow's; EXIF orientation is not applied.
"""

import io
from pathlib import Path

import numpy as np
from PIL import Image

# Grey as (0.299 red + 0.587 green + 0.114 blue) in whole numbers: the factors, what is added before
# the last bits are dropped, and how many bits those are. True: libpng's rule; False: OpenCV's.
GREY = {True: ((9797, 19234, 3737), 0, 15), False: ((4899, 9617, 1868), 1 << 13, 14)}
BITS = 11  # of the weights of a resize


def read_image(path: str | Path, color: bool) -> np.ndarray:
    """Read an image file as uint8 C x H x W: B, G, R, or one grey plane."""
    try:
        with Image.open(path) as image:
            return planes(image, color)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such image') from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path}: the image cannot be read: {error}') from None


def read_label(path: str | Path) -> np.ndarray:
    """Read a label image as uint8 1 x H x W: a palette's indices, else as grey."""
    try:
        with Image.open(path) as image:
            if image.mode == 'P':
                return np.asarray(image)[None]
            return planes(image, False)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such label image') from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path}: the label image cannot be read: {error}') from None


def decode(data: bytes, color: bool | None) -> np.ndarray:
    """Decode an encoded image as `read_image` does; color None keeps the channels it has."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            return planes(image, color)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'the encoded image cannot be decoded: {error}') from None


def planes(image: Image.Image, color: bool | None) -> np.ndarray:
    """Return an opened image as uint8 planes: True B, G, R; False grey; None as stored."""
    is_png = image.format == 'PNG'
    if color is None:
        if image.mode.startswith(('I', 'F')):
            raise ValueError(f'it has mode {image.mode}; expected 8 bits a channel')
        color = image.mode not in ('1', 'L')
        if color and (image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info):
            return _hwc(image.convert('RGBA'))[:, :, [2, 1, 0, 3]].transpose(2, 0, 1)
    if not color:
        image.draft('L', image.size)  # a JPEG holds the grey image; decoding it is not a mean
    if image.mode.startswith('I'):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ('1', 'L'):
        grey = _hwc(image.convert('L'))
        return np.repeat(grey, 3 if color else 1, 2).transpose(2, 0, 1)
    if 'transparency' in image.info:
        image = image.convert('RGBA')
    rgb = _hwc(image.convert('RGB'))
    if color:
        return rgb[:, :, ::-1].transpose(2, 0, 1)
    weights, half, bits = GREY[is_png]
    return ((rgb @ np.array(weights) + half) >> bits).astype(np.uint8)[None]


def _hwc(image: Image.Image) -> np.ndarray:
    array = np.asarray(image)
    return array if array.ndim == 3 else array[:, :, None]


def resize(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize uint8 C x H x W bilinearly, in the whole numbers of cv2.resize.

    Sample positions are (i + 0.5) * scale - 0.5, held inside the image; no smoothing is done
    before shrinking, except that a shrink by exactly two is a mean of four, as in OpenCV.
    """
    if pixels.shape[1:] == (height, width):
        return pixels
    source = pixels.astype(np.int32)
    if pixels.shape[1:] == (2 * height, 2 * width):
        blocks = source.reshape(-1, height, 2, width, 2).sum((2, 4))
        return ((blocks + 2) >> 2).astype(np.uint8)
    y0, y1, b0, b1 = _taps(pixels.shape[1], height)
    x0, x1, a0, a1 = _taps(pixels.shape[2], width, held=True)
    lines = source[:, :, x0] * a0 + source[:, :, x1] * a1
    upper = ((lines[:, y0] >> 4) * b0[:, None]) >> 16
    lower = ((lines[:, y1] >> 4) * b1[:, None]) >> 16
    return np.clip((upper + lower + 2) >> 2, 0, 255).astype(np.uint8)


def resize_nearest(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize C x H x W to the nearest pixel, as cv2.resize(..., INTER_NEAREST) finds it."""
    rows, columns = (np.minimum((np.arange(new) * (1 / (new / old))).astype(np.int64), old - 1)
                     for old, new in zip(pixels.shape[1:], (height, width), strict=True))
    return pixels[:, rows[:, None], columns]


def _taps(old: int, new: int, held: bool = False) -> tuple[np.ndarray, ...]:
    """Return, for each new place, the two old places it lies between, and their weights in 1/2048.

    Beyond the edge both places are the edge pixel. held: give the first of them all the weight
    there, as OpenCV does along rows; along columns it rounds the two shares apart.
    """
    at = ((np.arange(new) + 0.5) * (old / new) - 0.5).astype(np.float32)
    first = np.floor(at).astype(np.int64)
    part = at - first.astype(np.float32)
    if held:
        part[(first < 0) | (first >= old - 1)] = 0
        first = np.clip(first, 0, old - 1)
    weights = [np.rint(w * np.float32(1 << BITS)).astype(np.int32) for w in (1 - part, part)]
    return np.clip(first, 0, old - 1), np.clip(first + 1, 0, old - 1), *weights
