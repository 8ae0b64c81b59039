"""Windows with context: their place in the crop, checked on images whose pixels tell where."""

import numpy as np
import pytest

from port.images.region_windows import RegionWindow, plan, read_windows, rounded, warp


def test_without_context_the_box_fills_the_crop():
    planned = plan((2, 3, 7, 5), (10, 10), 6, 0, False, False)
    assert (planned.box, planned.height, planned.width) == ((2, 3, 7, 5), 6, 6)


def test_context_inside_the_image_widens_the_box():
    # 8 x 8 box, crop 16 with 4 around: twice as wide, centred on (8, 8) of the box's far edges
    planned = plan((4, 4, 11, 11), (32, 32), 16, 4, False, False)
    assert planned.box == (0, 0, 16, 16)
    assert (planned.height, planned.width, planned.top, planned.left) == (16, 16, 0, 0)


@pytest.mark.parametrize('mirror', [False, True])
def test_context_beyond_the_image_is_padding(mirror):
    planned = plan((0, 0, 7, 7), (32, 32), 16, 4, False, mirror)
    assert planned.box == (0, 0, 12, 12)      # wanted -4 .. 12, of which 4 are missing
    assert planned.top == 4                   # 4 of 17 source pixels, in 16
    assert planned.left == (0 if mirror else 4)
    assert planned.height == planned.width == 12


def test_square_takes_the_longer_side():
    planned = plan((10, 4, 13, 11), (32, 32), 8, 0, True, False)
    assert planned.box == (8, 4, 16, 12)


def test_warp_mirrors_after_cutting():
    pixels = np.arange(12, dtype='u1').reshape(1, 3, 4)
    planned = plan((1, 1, 2, 2), (3, 4), 2, 0, False, True)
    assert warp(pixels, planned, True).tolist() == [[[6, 5], [10, 9]]]
    with pytest.raises(ValueError, match='does not lie in the image of 4 x 3'):
        warp(pixels, plan((1, 1, 4, 2), (3, 4), 2, 0, False, False), False)


def test_halves_round_away_from_zero():
    assert [rounded(np.float32(v)) for v in (0.5, -0.5, 1.5, -1.5, 1.4)] == [1, -1, 2, -2, 1]


def test_reading(tmp_path):
    source = tmp_path / 'w'
    source.write_text('# 0\na.png\n3\n10\n20\n1\n2 0.75 1 2 3 4\n# 1 b.png 1 5 5 0\n')
    found = [RegionWindow('root/a.png', 2, 0.75, (1, 2, 3, 4))]
    assert read_windows(str(source), 'root/') == (found, 1)
    for content, said in [('x', 'expected `# index`'), ('# 0 a.png 3 1', 'a.png: the file ends'),
                          ('# 0 a.png 3 1 1 1 2 0.5', 'a.png: the file ends too early')]:
        source.write_text(content)
        with pytest.raises(ValueError, match=said):
            read_windows(str(source), '')
    with pytest.raises(FileNotFoundError, match='no such window file'):
        read_windows(str(tmp_path / 'absent'), '')
