"""What may be given to a predictor: pictures in any form, or arrays as the net takes them."""

from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image, ImageOps

from port.data.readers import read_rgb

Array = np.ndarray | torch.Tensor
Picture = str | PathLike | Image.Image | np.ndarray
Images = Array | Picture | Sequence[Picture]
NUMBERS = 'biuf'                   # kinds of numpy's types
FORMS = ('expected image files, PIL images or H x W x 3 uint8 RGB arrays, or one array '
         'N x C x H x W as the net takes it (BGR, less the mean)')


def is_array(images: object) -> bool:
    """Tell whether images are an array for the net itself, not a picture or several of them."""
    return isinstance(images, (np.ndarray, torch.Tensor)) and not _is_rgb(images)


def _is_rgb(image: object) -> bool:
    """Tell whether an array is a picture: H x W x 3 of bytes."""
    return (isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.ndim == 3
            and image.shape[2] == 3)


def pictures_of(images: object) -> tuple[list[np.ndarray], bool]:
    """Return the pixels of pictures, each H x W x 3 uint8 RGB, and whether one was given alone.

    Photographs are turned the way up that their camera noted (EXIF).
    Raises TypeError for what is no picture, ValueError for a folder or pictures of several sizes.
    """
    single = not isinstance(images, Iterable) or _is_rgb(images) or isinstance(
        images, (str, bytes, PathLike, Mapping, Image.Image))
    given: list[Any] = [images] if single else list(cast(Iterable, images))
    pixels = [_pixels(one, images) for one in given]
    if not pixels:
        raise ValueError('no image file was given')
    sizes = {picture.shape for picture in pixels}
    if len(sizes) != 1:
        raise ValueError(f'pictures of {len(sizes)} sizes; give those of one size at a time')
    return pixels, single


def _pixels(one: object, images: object) -> np.ndarray:
    """Return the pixels of one picture; images: all that were given."""
    if isinstance(one, Image.Image):
        return np.asarray(ImageOps.exif_transpose(one).convert('RGB'))
    if _is_rgb(one):
        return cast(np.ndarray, one)
    if isinstance(one, (str, PathLike)):
        if Path(one).is_dir():
            raise ValueError(f'{one} is a folder; give its image files (fcn infer takes folders)')
        return read_rgb(Path(one), upright=True)
    several = type(images).__name__ + ' of ' if one is not images else ''
    hint = ''
    if isinstance(one, (np.ndarray, torch.Tensor)):
        hint = (f' of shape {list(one.shape)}; several images go in one array (np.stack), several '
                'inputs as arguments of their own')
    raise TypeError(f'images: {FORMS}; got {several}{type(one).__name__}{hint}')


def check_array(name: str, array: object, channels: int) -> None:
    """Raise TypeError or ValueError for what is no array N x channels x H x W; say what it is."""
    if not isinstance(array, (np.ndarray, torch.Tensor)):
        raise TypeError(f'input {name!r}: expected an array N x C x H x W, got '
                        f'{type(array).__name__}')
    if array.dtype.kind not in NUMBERS if isinstance(array, np.ndarray) else array.is_complex():
        raise TypeError(f'input {name!r}: expected real numbers, got an array of {array.dtype}')
    if array.ndim != 4 or array.shape[1] != channels:
        raise ValueError(f'input {name!r}: expected N x {channels} x H x W, got the shape '
                         f'{list(array.shape)}{_looks_like(array, channels)}')
    if array.dtype in (np.uint8, torch.uint8) and channels == 3:
        raise ValueError(f'input {name!r}: got an array of bytes, which looks like pictures, in '
                         'RGB order and no mean subtracted; give a list of H x W x 3 uint8 RGB '
                         'pictures, or floats, BGR, less the mean')


def _looks_like(array: Array, channels: int) -> str:
    """Return what an array of a wrong shape looks like, with what to do; '' for no guess."""
    shape = tuple(array.shape)
    if len(shape) == 3 and shape[0] == channels:
        return ': one image without its N; give array[None]'
    if len(shape) == 3 and shape[2] == 3:
        return (': it looks like a picture, H x W x C, in RGB order and no mean subtracted; as '
                f'uint8 it is taken as it is (this one is {array.dtype})')
    if len(shape) == 4 and shape[3] == channels:
        return (': it looks like N x H x W x C; give a list of H x W x 3 uint8 RGB pictures, or '
                'array.transpose(0, 3, 1, 2), BGR, less the mean')
    return ''
