"""The legend names the classes that occur, in their colours, largest first."""

import numpy as np
from PIL import Image

from port.data.label_pictures import VOID_COLOUR
from port.data.legend import GAP, PATCH, ROW, entries, legend, over_legend

LABELS = np.array([[0, 0, 0, 2], [2, 255, 0, 0]])
COLOURS = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]], np.uint8)


def test_what_it_says() -> None:
    assert entries(LABELS, ('road', 'car', 'tree')) == [
        (0, 'road 62.5 %'), (2, 'tree 25 %'), (255, 'void 12.5 %')]
    assert entries(LABELS[:1], ()) == [(0, 'class 0 75 %'), (2, 'class 2 25 %')]


def test_each_class_has_a_patch_of_its_colour() -> None:
    strip = np.asarray(legend(LABELS, ('road', 'car', 'tree'), COLOURS, 600))
    assert strip.shape == (ROW, 600, 3)
    middle = strip[ROW // 2]
    assert tuple(middle[GAP + PATCH // 2]) == (10, 20, 30)           # the largest comes first
    present = {tuple(int(v) for v in pixel) for pixel in middle}
    assert {(10, 20, 30), (70, 80, 90), VOID_COLOUR} <= present and (40, 50, 60) not in present


def test_a_narrow_picture_gets_several_lines() -> None:
    picture = Image.fromarray(np.full((7, 130, 3), 200, np.uint8))
    whole = over_legend(picture, LABELS, ('road', 'car', 'tree'), COLOURS)
    assert whole.size == (130, 7 + 3 * ROW)
    assert np.array_equal(np.asarray(whole)[:7], np.asarray(picture))
