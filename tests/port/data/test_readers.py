"""port.data.readers: what stands in the files of the datasets, and what is wrong with them."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from port.data.readers import (
    LabelValues,
    planes,
    read_grey,
    read_index,
    read_mat,
    read_names,
    read_rgb,
)


def test_names_come_with_their_lines(tmp_path: Path) -> None:
    (tmp_path / 'train.txt').write_text('a\n\n  b b \r\n\n')
    assert read_names(tmp_path / 'train.txt') == (['a', 'b b'], [1, 3])


def test_a_missing_list_names_the_closest(tmp_path: Path) -> None:
    (tmp_path / 'seg11valid.txt').write_text('a\n')
    with pytest.raises(FileNotFoundError, match=r"seg11val\.txt: no such split file; did you mean "
                                                r"'seg11valid\.txt'"):
        read_names(tmp_path / 'seg11val.txt')
    with pytest.raises(FileNotFoundError, match='the folder .*nowhere does not exist either'):
        read_names(tmp_path / 'nowhere' / 'val.txt')


def test_empty_and_binary_lists_are_refused(tmp_path: Path) -> None:
    (tmp_path / 'e.txt').write_text('\n \n')
    (tmp_path / 'b.txt').write_bytes(b'\xff\xd8\xff\xe0')
    with pytest.raises(ValueError, match=r'e\.txt: the split file is empty'):
        read_names(tmp_path / 'e.txt')
    with pytest.raises(ValueError, match=r'b\.txt: not a text file'):
        read_names(tmp_path / 'b.txt')


@pytest.mark.parametrize('mode', ['RGB', 'L', 'P', 'RGBA', 'CMYK'])
def test_every_8_bit_mode_is_read_as_rgb(mode: str, tmp_path: Path) -> None:
    path = tmp_path / ('x.tif' if mode == 'CMYK' else 'x.png')
    Image.new('RGB', (5, 4), (255, 255, 255)).convert(mode).save(path)
    pixels = read_rgb(path)
    assert pixels.shape == (4, 5, 3) and pixels.dtype == np.uint8 and (pixels == 255).all()


def test_unreadable_images_are_named(tmp_path: Path) -> None:
    (tmp_path / 'text.jpg').write_text('not an image')
    with pytest.raises(ValueError, match=r'text\.jpg: the image cannot be read'):
        read_rgb(tmp_path / 'text.jpg')
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(
        tmp_path / 'whole.png')
    (tmp_path / 'cut.png').write_bytes((tmp_path / 'whole.png').read_bytes()[:4000])
    with pytest.raises(ValueError, match=r'cut\.png: the image cannot be read'):
        read_rgb(tmp_path / 'cut.png')
    Image.fromarray(np.zeros((2, 2), np.uint16)).save(tmp_path / 'deep.png')
    with pytest.raises(ValueError, match=r'deep\.png: the image has mode I;16; expected 8 bits'):
        read_rgb(tmp_path / 'deep.png')


def test_an_image_that_claims_more_than_there_is(tmp_path, monkeypatch):
    """A chunk of a PNG may claim 4 GB, which Pillow asks for before it reads; a mutant did."""
    def load(image: object) -> None:
        raise MemoryError
    Image.fromarray(np.zeros((3, 4, 3), np.uint8)).save(tmp_path / 'claims.png')
    monkeypatch.setattr('PIL.PngImagePlugin.PngImageFile.load', load)
    with pytest.raises(ValueError, match=r'claims\.png: the image asks for more memory than there'):
        read_rgb(tmp_path / 'claims.png')


def test_16_bit_depth_is_read_as_stored(tmp_path: Path) -> None:
    depth = np.array([[1, 700], [40000, 65535]], np.uint16)
    Image.fromarray(depth).save(tmp_path / 'd.png')
    assert np.array_equal(read_grey(tmp_path / 'd.png'), depth.astype(np.float32))
    Image.new('RGB', (2, 2)).save(tmp_path / 'c.png')
    with pytest.raises(ValueError, match='has 3 channels'):
        read_grey(tmp_path / 'c.png')


def test_a_palette_png_gives_indices_and_colours_are_refused(tmp_path: Path) -> None:
    index = Image.fromarray(np.array([[0, 5], [20, 255]], np.uint8))
    index.putpalette([9, 8, 7] * 256)
    index.save(tmp_path / 'p.png')
    assert read_index(tmp_path / 'p.png').tolist() == [[0, 5], [20, 255]]
    Image.new('RGB', (2, 2)).save(tmp_path / 'c.png')
    with pytest.raises(ValueError, match=r"c\.png: the label image has colours .*fcn data colours"):
        read_index(tmp_path / 'c.png')


def test_mat_variables_and_what_is_wrong_with_them(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / 'a.mat', {'S': np.eye(2), 'T': 1})
    assert np.array_equal(read_mat(tmp_path / 'a.mat', 'S'), np.eye(2))
    with pytest.raises(ValueError, match=r"a\.mat: holds no variable 'LabelMap'; it holds "
                                         r"\['S', 'T'\]"):
        read_mat(tmp_path / 'a.mat', 'LabelMap')
    (tmp_path / 'b.mat').write_bytes(b'hello' * 100)
    with pytest.raises(ValueError, match=r'b\.mat: cannot be read as a MATLAB file'):
        read_mat(tmp_path / 'b.mat', 'S')
    (tmp_path / 'cut.mat').write_bytes((tmp_path / 'a.mat').read_bytes()[:150])
    with pytest.raises(ValueError, match=r'cut\.mat: cannot be read as a MATLAB file'):
        read_mat(tmp_path / 'cut.mat', 'S')
    with pytest.raises(FileNotFoundError, match=r'c\.mat: no such label file'):
        read_mat(tmp_path / 'c.mat', 'S')


def test_a_matlab_73_file_says_what_to_do(tmp_path: Path) -> None:
    head = b'MATLAB 7.3 MAT-file'.ljust(124) + b'\x00\x02IM'
    (tmp_path / 'new.mat').write_bytes(head.ljust(600, b'\0'))
    with pytest.raises(ValueError, match=r'new\.mat: .*of version 7\.3; save it again with -v7'):
        read_mat(tmp_path / 'new.mat', 'S')


@pytest.mark.parametrize('kind', [np.uint8, np.int16, np.float64])
def test_labels_are_translated_whatever_their_type(kind: type) -> None:
    values = LabelValues.of({0: 255, 1: 0, 2: 1}, '0..2')
    labels = values.apply(np.array([[0, 1], [2, 2]], kind), Path('x.mat'))
    assert labels.dtype == np.uint8 and labels.tolist() == [[255, 0], [1, 1]]


@pytest.mark.parametrize(('raw', 'shown'), [(3, '3'), (-1, '-1'), (300, '300'), (1.5, '1.5')])
def test_a_label_outside_the_classes_is_named_with_its_place(raw: float, shown: str) -> None:
    label = np.zeros((4, 6), np.float64 if raw == 1.5 else np.int16)
    label[2, 5] = label[3, 0] = raw
    with pytest.raises(ValueError, match=rf'l\.png: label {shown} at x=5, y=2 is outside the '
                                         r'classes; expected 0\.\.2, or 255 for void \(2 such'):
        LabelValues.classes(3, 255).apply(label, Path('l.png'))


def test_a_label_of_three_axes_is_refused() -> None:
    with pytest.raises(ValueError, match=r'shape \(2, 2, 3\); expected height x width'):
        LabelValues.classes(3, 255).apply(np.zeros((2, 2, 3), np.uint8), Path('l.mat'))


@pytest.mark.parametrize('precision', [np.float32, np.float64])
def test_planes_subtract_in_the_precision_of_the_mean(precision: type) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 3), np.uint8)
    mean = np.array((104.00699, 116.66877, 122.67892), precision)
    found = planes(pixels, mean)
    for c in range(3):
        for y in range(3):
            for x in range(4):
                plain = np.float32(precision(pixels[y, x, c]) - mean[c])
                assert found[c, y, x] == plain
