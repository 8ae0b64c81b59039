"""Rewrites a first layer learnt on RGB in 0..1 for Caffe's pixels: BGR in 0..255, mean subtracted.

torchvision and timm normalise pixels x to (x / 255 - m) / s with mean m and deviation s; Caffe
subtracts a mean M. A convolution w of the former equals a convolution w' of the latter plus a
constant, but for rounding, wherever the window lies inside the image:

w'_c = w_c / (255 s_c), channels in reverse order; shift = sum over c of w'_c (M_c - 255 m_c).

At the border, padding's zeros stand for the colour 255 m there and for M here. So the border is
exact too where M = 255 m (`Pixels.centre`; the shift is then 0). Otherwise it is as if the image
were surrounded by M instead of 255 m; with VOC's mean the two differ by less than one grey level.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Pixels(NamedTuple):
    """Mean and standard deviation of what a net was trained on: red green blue, of 0..1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def centre(self) -> tuple[float, ...]:
        """The mean in Caffe's units: blue green red, of 0..255."""
        return tuple(255 * value for value in reversed(self.mean))


IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def to_bgr(weight: np.ndarray, pixels: Pixels, mean: Sequence[float]
           ) -> tuple[np.ndarray, np.ndarray]:
    """Rewrite a first weight (out, 3, h, w); return it and the shift (out,), both float64.

    mean: blue green red, what the Caffe net subtracts. The shift belongs to the layer's bias, or
    (negative) to the running mean of the batch norm behind it. Raises ValueError for a weight
    of other than 3 input channels.
    """
    _check(weight, pixels, mean)
    scale = 255 * np.array(pixels.std[::-1], np.float64)
    new = weight[:, ::-1].astype(np.float64) / scale[None, :, None, None]
    return new, _shift(new, pixels, mean)


def to_rgb(weight: np.ndarray, pixels: Pixels, mean: Sequence[float]
           ) -> tuple[np.ndarray, np.ndarray]:
    """Undo to_bgr: return the weight for RGB in 0..1, and the shift that to_bgr would give."""
    _check(weight, pixels, mean)
    old = weight.astype(np.float64)
    scale = 255 * np.array(pixels.std[::-1], np.float64)
    return (old * scale[None, :, None, None])[:, ::-1], _shift(old, pixels, mean)


def _shift(weight: np.ndarray, pixels: Pixels, mean: Sequence[float]) -> np.ndarray:
    """Return what the two means' difference adds to each output."""
    return weight.sum(axis=(2, 3)) @ (np.array(mean, np.float64) - pixels.centre)


def _check(weight: np.ndarray, pixels: Pixels, mean: Sequence[float]) -> None:
    if weight.ndim != 4 or weight.shape[1] != 3:
        raise ValueError(f'a first layer of shape {weight.shape} does not see 3 colours: expected '
                         '(channels, 3, height, width)')
    if not len(mean) == len(pixels.mean) == len(pixels.std) == 3 or 0 in pixels.std:
        raise ValueError(f'mean {tuple(mean)} (blue green red), {pixels}: expected 3 numbers each, '
                         'no deviation of 0')
