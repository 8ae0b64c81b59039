"""port.data.folder: a user's own folders as a data layer."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.folder import FolderSegDataLayer, find_file, read_class_names
from port.engine.blob import Blob


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two pairs of different types, one in a folder of its own, with labels closed by _mask."""
    for folder in ('img/day', 'lab/day'):
        (tmp_path / folder).mkdir(parents=True)
    Image.new('RGB', (5, 4), (10, 20, 30)).save(tmp_path / 'img/a.JPG', quality=100)
    Image.new('RGB', (6, 4), (40, 50, 60)).save(tmp_path / 'img/day/b.png')
    Image.new('L', (5, 4), 1).save(tmp_path / 'lab/a_mask.png')
    Image.new('L', (6, 4), 7).save(tmp_path / 'lab/day/b_mask.bmp')
    (tmp_path / 'val.txt').write_text('a\nday/b\n')
    return tmp_path


def build(root: Path, **more: object) -> tuple[FolderSegDataLayer, list]:
    layer = FolderSegDataLayer()
    layer.param_str = repr({'images': str(root / 'img'), 'labels': str(root / 'lab'),
                            'lists': str(root), 'split': 'val', 'mean': (30., 20., 10.),
                            'classes': 2, 'ignore_label': 7, 'label_suffix': '_mask', **more})
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    return layer, top


def test_pairs_of_any_type_in_folders_of_their_own(root: Path) -> None:
    layer, top = build(root)
    seen = []
    for _ in range(2):
        layer.reshape([], top)
        layer.forward([], top)
        seen.append((top[0].data[0, :, 0, 0].tolist(), top[1].data[0, 0, 0, 0],
                     top[1].data.shape))
    assert np.abs(np.array(seen[0][0])).max() <= 1 and seen[0][1:] == (1, (1, 1, 4, 5))
    assert seen[1] == ([30, 30, 30], 7, (1, 1, 4, 6))


def test_a_photograph_is_turned_upright_and_its_label_lies_as_it_is(root: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6                                    # Orientation: to be turned to the right
    stored = np.zeros((5, 4, 3), np.uint8)
    stored[:, 0] = 250
    Image.fromarray(stored).save(root / 'img/a.png', exif=exif)
    (root / 'img/a.JPG').unlink()
    layer, top = build(root)
    layer.reshape([], top)
    layer.forward([], top)
    data = top[0].data[0, 0] + 30                    # the first column has become the first row
    assert data.shape == (4, 5) and (data[0] == 250).all() and (data[1:] == 0).all()


def test_class_names_lie_beside_the_lists(root: Path) -> None:
    assert build(root)[0].class_names == ()
    (root / 'classes.txt').write_text('road  # the first\n\ncar\n')
    assert build(root)[0].class_names == ('road', 'car')


def test_a_label_outside_the_classes_names_file_and_line(root: Path) -> None:
    with pytest.raises(ValueError, match=r'a_mask.png: label 1 .*val.txt:1'):
        layer, top = build(root, classes=1)
        layer.reshape([], top)


def test_a_missing_file_is_named_with_the_first_type(tmp_path: Path) -> None:
    assert find_file(tmp_path, 'x', ('.jpg', '.png')) == tmp_path / 'x.jpg'


@pytest.mark.parametrize('name', ['x.y.Jpg', 'x.y.JPG', 'x.y.pNg'])
def test_types_are_found_in_letters_of_any_case(name: str, tmp_path: Path) -> None:
    (tmp_path / 'x.Jpg').touch()
    (tmp_path / 'day').mkdir()
    (tmp_path / 'day' / name).touch()
    assert find_file(tmp_path, 'day/x.y', ('.jpg', '.png')) == tmp_path / 'day' / name
    assert find_file(tmp_path, 'night/x', ('.jpg', '.png')) == tmp_path / 'night/x.jpg'


def test_a_missing_class_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no such class list'):
        read_class_names(tmp_path / 'names.txt')
