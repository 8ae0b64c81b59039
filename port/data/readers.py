"""Read the files of the datasets: images, index PNGs, MATLAB structs, lists of names.

Every error names the file, what stands in it, what was expected and what to do.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from port.images.mat_files import read_array

INVALID = -1


def missing(path: Path, what: str) -> FileNotFoundError:
    """Make the error for a file that is not there, with the closest name beside it."""
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, names, 1)
    if not path.parent.is_dir():
        hint = f'; the folder {path.parent} does not exist either'
    else:
        hint = f"; did you mean '{close[0]}'?" if close else ''
    return FileNotFoundError(f'{path}: no such {what}{hint}')


def read_lines(path: Path, what: str, holds: str) -> list[str]:
    """Read the lines of a text file, a byte order mark at its start or not."""
    if not path.is_file():
        raise missing(path, what)
    try:
        return path.read_text(encoding='utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f'{path}: not a text file ({error.reason}); a {what} holds '
                         f'{holds}') from error


def read_names(path: Path) -> tuple[list[str], list[int]]:
    """Read a split file: one name a line; give the names and the number of each one's line."""
    lines = read_lines(path, 'split file', 'one name a line')
    rows = [(line.strip(), number) for number, line in enumerate(lines, 1) if line.strip()]
    if not rows:
        raise ValueError(f'{path}: the split file is empty; it must hold one name a line')
    return [name for name, _ in rows], [number for _, number in rows]


def open_image(path: Path, what: str) -> Image.Image:
    """Open and decode an image file fully."""
    if not path.is_file():
        raise missing(path, what)
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f'{path}: the {what} cannot be read: {error}') from error
    except MemoryError:      # of a length that a chunk of the file claims
        raise ValueError(f'{path}: the {what} asks for more memory than there is') from None


def read_rgb(path: Path, upright: bool = False) -> np.ndarray:
    """Read a colour image, H x W x 3 uint8; grey and palette images are converted.

    upright: turn a photograph the way up that its camera noted (EXIF). The published data layers
    do not, and the labels of a dataset lie as its files do.
    """
    image = open_image(path, 'image')
    if upright:
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith(('I', 'F')):
        raise ValueError(f'{path}: the image has mode {image.mode}; expected 8 bits a channel; '
                         'save it with 8')
    return np.asarray(image if image.mode == 'RGB' else image.convert('RGB'))


def read_grey(path: Path) -> np.ndarray:
    """Read an image of one channel as stored, of 8, 16 or 32 bits, H x W float32."""
    image = open_image(path, 'depth image')
    if len(image.getbands()) != 1:
        raise ValueError(f'{path}: the depth image has {len(image.getbands())} channels '
                         f'(mode {image.mode}); expected 1')
    return np.array(image, dtype=np.float32)


def read_index(path: Path) -> np.ndarray:
    """Read a label image whose pixels are class indices (palette or grey), H x W integers."""
    image = open_image(path, 'label image')
    if len(image.getbands()) != 1 or image.mode == 'F':
        raise ValueError(f'{path}: the label image has colours (mode {image.mode}); expected one '
                         "channel of class indices: turn it into one with 'fcn data colours'")
    return np.asarray(image)


def read_mat(path: Path, variable: str, field: str = '') -> np.ndarray:
    """Read one variable of a MATLAB file up to version 7, or a field of one."""
    if not path.is_file():
        raise missing(path, 'label file')
    return read_array(path, variable, field)


@dataclass(frozen=True)
class LabelValues:
    """Which values a label file may hold, and what each becomes; `table[value - low]`."""

    low: int
    table: np.ndarray
    expected: str

    @staticmethod
    def of(values: Mapping[int, int], expected: str) -> 'LabelValues':
        """Make the table from {value in the file: label}."""
        low = min(values)
        table = np.full(max(values) - low + 1, INVALID, dtype=np.int16)
        for value, label in values.items():
            table[value - low] = label
        return LabelValues(low, table, expected)

    @staticmethod
    def classes(count: int, void: int) -> 'LabelValues':
        """Accept 0 .. count - 1 and void, unchanged."""
        values = {value: value for value in [*range(count), void]}
        return LabelValues.of(values, f'0..{count - 1}, or {void} for void')

    def apply(self, raw: np.ndarray, path: Path) -> np.ndarray:
        """Translate H x W values to uint8 labels, or raise with file, value and place."""
        if raw.ndim != 2:
            raise ValueError(f'{path}: the label has shape {raw.shape}; expected height x width')
        place = raw.astype(np.intp) - self.low
        outside = (place < 0) | (place >= len(self.table))
        labels = self.table[np.where(outside, 0, place)]
        wrong = outside | (labels == INVALID)
        if raw.dtype.kind == 'f':
            wrong |= raw != np.floor(raw)
        if wrong.any():
            y, x = np.argwhere(wrong)[0]
            raise ValueError(f'{path}: label {raw[y, x]} at x={x}, y={y} is outside the classes; '
                             f'expected {self.expected} ({int(wrong.sum())} such pixels)')
        return labels.astype(np.uint8)


def planes(pixels: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Subtract the mean from H x W x C pixels and lay them out C x H x W, float32.

    The difference is taken in the mean's own precision, as the published layers do.
    """
    out = np.ascontiguousarray(pixels.transpose(2, 0, 1)).astype(np.float32)
    out -= mean[:, None, None]
    return out
