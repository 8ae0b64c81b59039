"""Image windows as R-CNN feeds them: the window file, and the warp of a window with context
(src/caffe/layers/window_data_layer.cpp).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from port.images.caffe_images import resize

Box = tuple[int, int, int, int]  # x1, y1, x2, y2, all inside


@dataclass(frozen=True)
class RegionWindow:
    """A box in an image, its class and how much it overlaps an object."""

    path: str
    label: int
    overlap: float
    box: Box


def read_windows(source: str, root: str) -> tuple[list[RegionWindow], int]:
    """Read a window file; give its windows and the channels of the last image.

    For each image: `# index`, path, channels, height, width, number of windows, and as many
    times `class overlap x1 y1 x2 y2`, all parted by white space.
    """
    if not Path(source).is_file():
        raise FileNotFoundError(f'{source}: no such window file')
    words = iter(Path(source).read_text(encoding='utf-8').split())
    windows, channels, path = [], 0, 'the first image'
    try:
        for mark in words:
            if mark != '#':
                raise ValueError(f'expected `# index` of the next image, got {mark!r}')
            next(words)
            path = root + next(words)
            channels, _, _, count = (int(next(words)) for _ in range(4))
            for _ in range(count):
                label, overlap, *box = (float(next(words)) for _ in range(6))
                x1, y1, x2, y2 = (int(v) for v in box)
                windows.append(RegionWindow(path, int(label), overlap, (x1, y1, x2, y2)))
    except (ValueError, RuntimeError, StopIteration) as error:
        what = str(error) if isinstance(error, ValueError) else 'the file ends too early'
        raise ValueError(f'{source}: at {path}: {what}') from None
    return windows, channels


def rounded(value: np.float32) -> int:
    """Round halves away from zero, as C does."""
    return int(np.copysign(np.floor(np.abs(value) + np.float32(0.5)), value))


@dataclass(frozen=True)
class Warp:
    """Which box of the image becomes which part of the crop: its size there, and the padding
    before.
    """

    box: Box
    height: int
    width: int
    top: int
    left: int


def plan(box: Box, image: tuple[int, int], size: int, context: int, square: bool,
         mirror: bool) -> Warp:
    """Widen a box so that `context` pixels of a size x size crop lie around it, and clip it."""
    if not context and not square:
        return Warp(box, size, size, 0, 0)
    f = np.float32
    scale = f(size) / f(size - 2 * context)
    x1, y1, x2, y2 = box
    half_w, half_h = f(x2 - x1 + 1) / f(2), f(y2 - y1 + 1) / f(2)
    x, y = f(x1) + half_w, f(y1) + half_h
    if square:
        half_w = half_h = max(half_w, half_h)
    left, right, before_x, after_x = _clip(x, half_w * scale, image[1])
    upper, lower, before_y, after_y = _clip(y, half_h * scale, image[0])
    scale_x = f(size) / f(right - left + 1 + before_x + after_x)
    scale_y = f(size) / f(lower - upper + 1 + before_y + after_y)
    top = rounded(f(before_y) * scale_y)
    pad = rounded(f(after_x if mirror else before_x) * scale_x)
    return Warp((left, upper, right, lower),
                min(rounded(f(lower - upper + 1) * scale_y), size - top),
                min(rounded(f(right - left + 1) * scale_x), size - pad), top, pad)


def _clip(centre: np.float32, half: np.float32, length: int) -> tuple[int, int, int, int]:
    """Return first and last place inside 0..length-1, and how many lie before and after."""
    first, last = rounded(centre - half), rounded(centre + half)
    before, after = max(0, -first), max(0, last - length + 1)
    return first + before, last - after, before, after


def warp(pixels: np.ndarray, planned: Warp, mirror: bool) -> np.ndarray:
    """Cut the box out of C x H x W, resize and mirror it."""
    x1, y1, x2, y2 = planned.box
    if not (0 <= x1 <= x2 < pixels.shape[2] and 0 <= y1 <= y2 < pixels.shape[1]):
        raise ValueError(f'window {planned.box} (x1, y1, x2, y2) does not lie in the image of '
                         f'{pixels.shape[2]} x {pixels.shape[1]}')
    out = resize(pixels[:, y1:y2 + 1, x1:x2 + 1], planned.height, planned.width)
    return out[:, :, ::-1] if mirror else out
