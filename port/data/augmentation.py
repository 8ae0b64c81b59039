"""Pairs varied in training: scaled, mirrored, moved, cut. FCN's paper (PAMI 2017, section 4.4)
mirrored and "jittered" by up to 32 pixels, which gave it no gain.

What a moved image uncovers is the mean colour and void. Each draw has random numbers of its own,
so the variations do not depend on threads, and a resumed training meets the same ones.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from port.images.read_ahead import Arrays

KEYS: dict[str, type | tuple[type, ...]] = {
    'mirror': bool, 'jitter': int, 'scales': (tuple, list), 'random_crop': (tuple, list)}
MOST_PIXELS = 1 << 14       # of jitter, and of a side of a crop
MOST_SCALE = 8.0


@dataclass(frozen=True)
class Augmentation:
    """How pairs are varied.

    mirror: left and right changed over, for half of the pairs. jitter: moved by up to so many
    pixels each way. scales: resized by a factor between these two. random_crop: (height, width)
    cut out anywhere; an image that is smaller lies anywhere in it.
    """

    mirror: bool = False
    jitter: int = 0
    scales: tuple[float, float] | None = None
    random_crop: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return self != Augmentation()

    def apply(self, arrays: Arrays, void: int, seed: str) -> Arrays:
        """Vary the arrays of one pair, each C x H x W, alike; labels are those of type uint8."""
        chance = random.Random(seed)  # noqa: S311 (no secret is made of it)
        if self.scales is not None:
            low, high = self.scales
            factor = low * (high / low) ** chance.random()
            arrays = tuple(_resized(array, factor) for array in arrays)
        if self.mirror and chance.random() < 0.5:
            arrays = tuple(array[:, :, ::-1] for array in arrays)
        sizes = arrays[0].shape[1:]
        want = self.random_crop or sizes
        place = [_offset(have, size, chance) + chance.randint(-self.jitter, self.jitter)
                 for have, size in zip(sizes, want, strict=True)]
        return tuple(_window(array, want, place, void) for array in arrays)


def read_augmentation(params: Mapping[str, Any], where: str) -> Augmentation:
    """Take the keys of param_str; ValueError naming the layer and the key."""
    jitter, scales, crop = params.get('jitter', 0), params.get('scales'), params.get('random_crop')
    if not 0 <= jitter <= MOST_PIXELS:
        raise ValueError(f"{where}: param_str 'jitter' is {jitter}; expected 0 to {MOST_PIXELS} "
                         'pixels')
    if scales is not None and not (
            len(scales) == 2 and all(isinstance(n, int | float) for n in scales)
            and 1 / MOST_SCALE <= scales[0] <= scales[1] <= MOST_SCALE):
        raise ValueError(f"{where}: param_str 'scales' is {scales!r}; expected (least, largest) "
                         f'factor, {1 / MOST_SCALE:g} to {MOST_SCALE:g}')
    if crop is not None and not (len(crop) == 2 and all(
            isinstance(n, int) and 0 < n <= MOST_PIXELS for n in crop)):
        raise ValueError(f"{where}: param_str 'random_crop' is {crop!r}; expected (height, width) "
                         'in pixels')
    return Augmentation(bool(params.get('mirror', False)), jitter,
                        None if scales is None else (scales[0], scales[1]),
                        None if crop is None else (crop[0], crop[1]))


def _offset(have: int, want: int, chance: random.Random) -> int:
    """Draw where a window of `want` pixels begins on an axis of `have`; below 0 if that is less."""
    return chance.randint(min(0, have - want), max(0, have - want))


def _window(array: np.ndarray, size: tuple[int, ...], place: list[int], void: int) -> np.ndarray:
    """Cut the window of a size at a place, which may reach beyond the array."""
    out = np.full((array.shape[0], *size), void if array.dtype == np.uint8 else 0, array.dtype)
    begins = [max(0, at) for at in place]
    ends = [max(begin, min(have, at + n)) for begin, have, at, n in
            zip(begins, array.shape[1:], place, size, strict=True)]
    inside = [slice(begin - at, end - at) for begin, end, at in
              zip(begins, ends, place, strict=True)]
    out[:, inside[0], inside[1]] = array[:, begins[0]:ends[0], begins[1]:ends[1]]
    return out


def _resized(array: np.ndarray, factor: float) -> np.ndarray:
    """Resize C x H x W: images by linear interpolation, labels by the nearest pixel."""
    size = [max(1, round(n * factor)) for n in array.shape[:0:-1]]
    how = Image.Resampling.NEAREST if array.dtype == np.uint8 else Image.Resampling.BILINEAR
    return np.stack([np.asarray(Image.fromarray(plane).resize((size[0], size[1]), how))
                     for plane in array])
