"""The classes that a classifier finds in each place of a photograph, as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from port.data.label_pictures import make_palette, write_picture
from port.dense.sliding import Dense

SHOWN = 8            # classes that get a colour and a line of the legend: those of most places
LINE, SWATCH = 18, 12
OPACITY = 0.45


def write_class_map(path: Path, rgb: np.ndarray, found: Dense, names: Sequence[str] = ()) -> Path:
    """Write `class_map` to a file, whole or not at all."""
    return write_picture(path, class_map(rgb, found, names))


def class_map(rgb: np.ndarray, found: Dense, names: Sequence[str] = ()) -> Image.Image:
    """Lay the class of each window's centre over the photograph, H x W x 3 uint8; a legend below.

    A place of the map covers stride x stride pixels around the centre of its window.
    """
    labels = found.map.argmax(0)
    values, counts = np.unique(labels, return_counts=True)
    shown = values[np.argsort(-counts)][:SHOWN]
    colours = make_palette(SHOWN + 1)[1:]
    over = rgb.astype(float)
    for value, colour in zip(shown, colours, strict=False):
        for row, column in np.argwhere(labels == value):
            y, x = (found.stride * at + side // 2 - found.stride // 2
                    for at, side in zip((row, column), found.window, strict=True))
            place = np.s_[y:y + found.stride, x:x + found.stride]
            over[place] = (1 - OPACITY) * over[place] + OPACITY * np.asarray(colour)
    picture = Image.new('RGB', (rgb.shape[1], rgb.shape[0] + LINE * len(shown)), 'white')
    picture.paste(Image.fromarray(over.round().astype(np.uint8)))
    draw = ImageDraw.Draw(picture)
    share = dict(zip(values.tolist(), (counts / labels.size).tolist(), strict=True))
    for i, (value, colour) in enumerate(zip(shown.tolist(), colours, strict=False)):
        y = rgb.shape[0] + i * LINE + (LINE - SWATCH) // 2
        draw.rectangle((4, y, 4 + SWATCH, y + SWATCH), fill=tuple(int(c) for c in colour))
        name = names[value] if value < len(names) else f'class {value}'
        draw.text((10 + SWATCH, y), f'{name}: {100 * share[value]:.0f} % of the places',
                  fill='black')
    return picture
