"""TIFF files read in windows: the pixels that Pillow reads, from just the parts that are needed."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.readers import read_rgb
from port.images.tiff_windows import TiffWindows

tifffile = pytest.importorskip('tifffile')
WINDOWS = ((0, 70, 0, 90), (0, 1, 0, 1), (33, 60, 5, 80), (69, 70, 89, 90), (16, 32, 16, 48))


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.RandomState(3).randint(0, 256, (70, 90, 3)).astype(np.uint8)


@pytest.mark.parametrize('options', [
    {}, {'rowsperstrip': 7}, {'tile': (16, 32)}, {'tile': (32, 16), 'compression': 'zlib'},
    {'rowsperstrip': 9, 'compression': 'zlib', 'predictor': True}], ids=str)
@pytest.mark.parametrize('channels', [1, 3, 4])
def test_windows_are_the_pictures(channels: int, options: dict, pixels, tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    data = np.dstack([pixels, pixels[:, :, :1]])[:, :, :channels]
    kind = 'minisblack' if channels == 1 else 'rgb'
    tifffile.imwrite(path, data[:, :, 0] if channels == 1 else data, photometric=kind, **options)
    whole = np.asarray(Image.open(path).convert('RGB'))
    with TiffWindows(path) as found:
        assert (found.height, found.width) == (70, 90)
        for top, bottom, left, right in WINDOWS:
            assert np.array_equal(found.read(top, bottom, left, right),
                                  whole[top:bottom, left:right])


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_picture_is_turned_upright(orientation: int, pixels, tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, pixels, photometric='rgb', tile=(16, 32),
                     extratags=[(274, 'H', 1, orientation, True)])
    whole = read_rgb(path, upright=True)
    assert whole.shape[:2] == ((90, 70) if orientation > 4 else (70, 90))
    assert orientation == 1 or not np.array_equal(whole, pixels)
    high, wide = whole.shape[:2]
    with TiffWindows(path) as found:
        assert (found.height, found.width) == (high, wide)
        for top, bottom, left, right in ((0, high, 0, wide), (3, 41, 7, 52), (high - 1, high, 0, 1),
                                         (20, 20, 5, 9)):
            assert np.array_equal(found.read(top, bottom, left, right),
                                  whole[top:bottom, left:right])


def test_a_window_reads_its_own_parts_only(pixels, tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, pixels, photometric='rgb', tile=(16, 16))
    with TiffWindows(path) as found:
        read, taken = found._segment, []
        found._segment = lambda index: taken.append(index) or read(index)
        found.read(16, 33, 20, 40)
    assert taken == [7, 8, 13, 14]             # of six a row


@pytest.mark.parametrize('data, options, what', [
    (np.zeros((5, 6), np.uint16), {}, 'uint16'),
    (np.zeros((3, 5, 6), np.uint8), {'photometric': 'rgb', 'planarconfig': 'separate'}, 'together'),
    (np.zeros((5, 6), np.float32), {}, 'float32')])
def test_other_kinds_are_refused(data, options: dict, what: str, tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    tifffile.imwrite(path, data, **options)
    with pytest.raises(ValueError, match=what):
        TiffWindows(path)


def test_what_is_no_tiff_and_what_is_damaged(pixels, tmp_path: Path) -> None:
    path = tmp_path / 'a.tif'
    path.write_bytes(b'no picture')
    with pytest.raises(ValueError, match='not a TIFF picture'):
        TiffWindows(path)
    tifffile.imwrite(path, pixels, photometric='rgb', tile=(16, 16), compression='zlib')
    content = bytearray(path.read_bytes())
    with TiffWindows(path) as found:
        at = found.page.dataoffsets[0]
    content[at:at + 40] = bytes(40)
    path.write_bytes(content)
    with TiffWindows(path) as found, pytest.raises(ValueError, match='part 0 cannot be decoded'):
        found.read(0, 1, 0, 1)
