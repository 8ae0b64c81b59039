"""PNGs written row by row: what Pillow reads, and what write_label makes of the same labels."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.label_pictures import made_here, make_palette, write_label
from port.predict.png_rows import PngRows

SIZE = (23, 17)


def written(path: Path, rows: np.ndarray, palette: np.ndarray | None, some: int) -> Image.Image:
    with path.open('wb') as file:
        out = PngRows(file, *SIZE, palette=palette)
        for y in range(0, len(rows), some):
            out.add(rows[y:y + some])
        out.end()
    image = Image.open(path)
    image.load()
    return image


@pytest.mark.parametrize('some', [1, 5, 23])
def test_labels_are_those_of_a_file_written_whole(some: int, tmp_path: Path) -> None:
    labels = np.random.RandomState(0).randint(0, 256, SIZE).astype(np.uint8)
    palette = make_palette(21)
    mine = written(tmp_path / 'a.png', labels, palette, some)
    with Image.open(write_label(tmp_path / 'b.png', labels, palette)) as theirs:
        assert np.array_equal(np.asarray(mine), np.asarray(theirs)) and mine.mode == theirs.mode
        assert mine.getpalette() == theirs.getpalette()
    assert made_here(tmp_path / 'a.png')


@pytest.mark.parametrize('some', [1, 4, 23])
def test_pixels(some: int, tmp_path: Path) -> None:
    pixels = np.random.RandomState(0).randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    assert np.array_equal(np.asarray(written(tmp_path / 'a.png', pixels, None, some)), pixels)
    assert made_here(tmp_path / 'a.png')
