"""A strip that says which colour is which class, to stand under a labelled picture."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from port.data.label_pictures import color_seg

VOID = 'void'
ROW, PATCH, GAP = 20, 12, 8      # pixels: a line's height, a colour's side, the space around both
FONT = 12


def class_shares(labels: np.ndarray) -> list[tuple[int, float]]:
    """Return the classes that occur in labels with their share of the positions, largest first."""
    counts = np.bincount(np.asarray(labels).reshape(-1))
    order = np.argsort(-counts, kind='stable')
    return [(int(k), float(counts[k] / counts.sum())) for k in order if counts[k]]


def entries(labels: np.ndarray, names: Sequence[str]) -> list[tuple[int, str]]:
    """Return the classes that occur, largest first, with what the legend says of each."""
    return told(class_shares(labels), names)


def told(shares: Sequence[tuple[int, float]], names: Sequence[str]) -> list[tuple[int, str]]:
    """Return what the legend says of each class of these shares."""
    return [(k, f'{called(k, names)} {100 * share:.3g} %') for k, share in shares]


def called(label: int, names: Sequence[str]) -> str:
    """Return the name of a label: void where no class has it, its number where none is named."""
    if not names:
        return f'class {label}'
    return names[label] if label < len(names) else VOID


def legend(labels: np.ndarray, names: Sequence[str], palette: np.ndarray,
           width: int) -> Image.Image:
    """Draw a strip of this width: a patch of colour, name and share for each class that occurs.

    labels: H x W. names: of the classes; what has none is void, or its number where none are known.
    palette: classes x 3 uint8.
    """
    return strip_of(class_shares(labels), names, palette, width)


def strip_of(shares: Sequence[tuple[int, float]], names: Sequence[str], palette: np.ndarray,
             width: int) -> Image.Image:
    """Draw `legend` of labels of which only the shares of the classes are known."""
    font = ImageFont.load_default(FONT)
    placed, x, y = [], GAP, 0
    for k, text in told(shares, names):
        wide = PATCH + GAP // 2 + int(font.getlength(text)) + 2 * GAP
        if x > GAP and x + wide > width:
            x, y = GAP, y + ROW
        placed.append((k, text, x, y))
        x += wide
    strip = Image.new('RGB', (width, y + ROW), 'white')
    pen = ImageDraw.Draw(strip)
    for k, text, left, top in placed:
        colour = tuple(int(v) for v in color_seg(np.array([[k]]), palette)[0, 0])
        above = top + (ROW - PATCH) // 2
        pen.rectangle((left, above, left + PATCH - 1, above + PATCH - 1), colour, 'black')
        pen.text((left + PATCH + GAP // 2, top + ROW // 2), text, 'black', font, anchor='lm')
    return strip


def over_legend(picture: Image.Image, labels: np.ndarray, names: Sequence[str],
                palette: np.ndarray) -> Image.Image:
    """Return a picture with the legend of its labels under it; the picture stays as it is."""
    strip = legend(labels, names, palette, picture.width)
    whole = Image.new('RGB', (picture.width, picture.height + strip.height), 'white')
    whole.paste(picture, (0, 0))
    whole.paste(strip, (0, picture.height))
    return whole
