"""port.data.label_pictures: VOC's colours, overlays, label PNGs, sheets, loss curves."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.label_pictures import (
    color_seg,
    make_palette,
    read_losses,
    sheet,
    vis_seg,
    write_label,
    write_loss_curve,
    write_sheet,
)

# the first colours and the void colour, from the VOC development kit's documentation
VOC = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128),
       5: (128, 0, 128), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128),
       255: (224, 224, 192)}


def test_the_palette_is_vocs() -> None:
    palette = make_palette(256)
    assert palette.dtype == np.uint8 and palette.shape == (256, 3)
    assert {k: tuple(palette[k].tolist()) for k in VOC} == VOC
    assert np.array_equal(make_palette(21), palette[:21])


def test_labels_are_coloured_and_void_is_pale() -> None:
    found = color_seg(np.array([[0, 1], [20, 255]]), make_palette(21))
    assert found.tolist() == [[[0, 0, 0], [128, 0, 0]], [[0, 64, 128], [224, 224, 192]]]


def test_an_overlay_leaves_background_clear() -> None:
    image = np.full((1, 2, 3), 100, np.uint8)
    found = vis_seg(image, np.array([[0, 1]]), make_palette(21), alpha=.25)
    assert found.tolist() == [[[100] * 3, [107, 75, 75]]] and (image == 100).all()
    sky = vis_seg(image, np.array([[0, 0]]), np.array([(128, 0, 0)], np.uint8), alpha=.25)
    assert sky.tolist() == [[[107, 75, 75]] * 2]


BLACK = np.array([(7, 0, 0), (0, 0, 0), (0, 9, 0), (0, 0, 0)], np.uint8)


@pytest.mark.parametrize('palette', [make_palette(21), make_palette(300), BLACK, make_palette(0)])
@pytest.mark.parametrize('alpha', [.5, .25, .9, 0., 1.])
def test_an_overlay_is_the_published_sum(alpha: float, palette: np.ndarray) -> None:
    """Its three lines as they were published, over all values of a channel."""
    draw = np.random.default_rng(1)
    image = draw.integers(0, 256, (90, 140, 3), np.uint8)[:, ::2]
    labels = draw.integers(0, max(22, len(palette)), (90, 70))
    expected, colours = image.astype(np.float32), color_seg(labels, palette)
    mask = colours.any(-1)
    expected[mask] = expected[mask] * (1 - alpha) + alpha * colours[mask]
    assert np.array_equal(vis_seg(image, labels, palette, alpha), expected.astype(np.uint8))


def test_a_label_png_holds_indices_and_palette(tmp_path: Path) -> None:
    path = write_label(tmp_path / 'x.png', np.array([[0, 15], [255, 3]]))
    image = Image.open(path)
    assert image.mode == 'P' and np.asarray(image).tolist() == [[0, 15], [255, 3]]
    assert np.asarray(image.convert('RGB'))[0, 1].tolist() == [192, 128, 128]
    own = write_label(path, np.zeros((2, 2), int), np.array([(9, 8, 7)], np.uint8))
    assert np.asarray(Image.open(own).convert('RGB'))[0, 0].tolist() == [9, 8, 7]
    assert [p.name for p in tmp_path.iterdir()] == ['x.png']


def test_a_picture_goes_where_a_link_leads(tmp_path: Path) -> None:
    (tmp_path / 'link.png').symlink_to('real.png')
    assert write_label(tmp_path / 'link.png', np.ones((2, 3))) == tmp_path / 'link.png'
    assert (tmp_path / 'link.png').is_symlink() and (tmp_path / 'real.png').is_file()


def test_wrong_labels_write_nothing(tmp_path: Path) -> None:
    for label in (np.full((2, 2), 256), np.full((2, 2), -1), np.zeros(3)):
        with pytest.raises(ValueError, match=r'x\.png: a label image is height x width'):
            write_label(tmp_path / 'x.png', label)
    assert list(tmp_path.iterdir()) == []


def test_a_sheet_aligns_rows_and_columns(tmp_path: Path) -> None:
    red, blue = np.zeros((20, 30, 3), np.uint8), np.zeros((10, 40, 3), np.uint8)
    red[..., 0] = blue[..., 2] = 255
    picture = sheet([[red, blue], [blue, red]], ['image', 'truth'], gap=5)
    pixels = np.asarray(picture)
    # columns 40 wide, rows 20 high, a head of 16, gaps of 5
    assert picture.size == (40 + 40 + 15, 16 + 20 + 20 + 15)
    assert pixels[16 + 5, 5].tolist() == [255, 0, 0] and pixels[21, 50].tolist() == [0, 0, 255]
    assert pixels[21 + 25, 5].tolist() == [0, 0, 255] and pixels[46, 50].tolist() == [255, 0, 0]
    assert (pixels[:16] < 128).any()
    path = write_sheet(tmp_path / 's.png', [[red, blue]], ['a', 'b'], zoom=2)
    assert np.asarray(Image.open(path)).shape == (16 + 40 + 12, 60 + 80 + 18, 3)


def test_a_sheet_names_the_rows_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r'needs 2 pictures \(a, b\); rows that differ: \[0\]'):
        sheet([[np.zeros((2, 2, 3), np.uint8)]], ['a', 'b'])


def test_losses_are_read_from_caffes_lines(tmp_path: Path) -> None:
    (tmp_path / 'log').write_text(
        'I0101 00:00:00.000000     1 solver.cpp:218] Iteration 0 (-nan iter/s, 0s/20 iters), '
        'loss = 3.1\n    Train net output #0: loss = 7 (* 1 = 7 loss)\n'
        'Iteration 20 (4.2 iter/s, 4.7s/20 iters), loss = 1.2e+06\nIteration 40, lr = 1e-10\n')
    assert read_losses(tmp_path / 'log') == [(0, 3.1), (20, 1.2e6)]


@pytest.mark.parametrize('points', [[(0, 3.), (20, 1.)], [(0, 0.)], []])
def test_loss_curves_are_drawn(tmp_path: Path, points: list) -> None:
    path = write_loss_curve(tmp_path / 'loss.png', {'32s': points}, 'demo')
    assert np.asarray(Image.open(path)).shape[1] > 500 and len(list(tmp_path.iterdir())) == 1
