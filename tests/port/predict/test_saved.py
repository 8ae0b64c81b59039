"""What a labelled picture leaves: the files by name, and which of them are ours."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.label_pictures import make_palette, vis_seg
from port.data.legend import over_legend
from port.predict.saved import KINDS, files_of, made, save

RGB = np.full((4, 60, 3), 90, np.uint8)
LABELS = np.array([[0, 1]]).repeat(30, 1).repeat(4, 0)
SHARES = np.random.RandomState(0).rand(2, 4, 60).astype(np.float32)


@pytest.mark.parametrize('kinds', [('labels',), ('overlay', 'probabilities'), KINDS])
def test_only_what_was_asked_for_is_written(kinds, tmp_path: Path) -> None:
    place = tmp_path / 'a.png'
    save(place, kinds, RGB, LABELS, SHARES, make_palette(256), ('sky', 'road'))
    files = files_of(place, kinds)
    assert sorted(tmp_path.iterdir()) == sorted(files) and len(files) == len(kinds)
    assert all(map(made, files))


def test_what_is_in_them(tmp_path: Path) -> None:
    labels, overlay, shares = files_of(tmp_path / 'a.b.png', KINDS)
    save(labels, KINDS, RGB, LABELS, SHARES, make_palette(256), ('sky', 'road'))
    assert [p.name for p in (labels, overlay, shares)] == ['a.b.png', 'a.b_overlay.png',
                                                           'a.b_probabilities.npz']
    with np.load(shares) as file:
        assert np.array_equal(file['probabilities'], SHARES)
        assert file['names'].tolist() == ['sky', 'road']
    with Image.open(labels) as image:
        assert np.array_equal(np.asarray(image), LABELS)
    picture = Image.fromarray(vis_seg(RGB, LABELS, make_palette(256)))
    with Image.open(overlay) as image:
        assert np.array_equal(np.asarray(image), np.asarray(over_legend(
            picture, LABELS, ('sky', 'road'), make_palette(256))))


def test_files_of_others_are_told(tmp_path: Path) -> None:
    np.savez(tmp_path / 'x.npz', weights=SHARES)
    (tmp_path / 'y.npz').write_text('no archive')
    assert not any(made(tmp_path / name) for name in ('x.npz', 'y.npz', 'z.npz', 'z.png'))
