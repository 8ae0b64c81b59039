"""A list of images and labels: what is read of it, and what is refused with its line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec.variants import VARIANTS
from port.data.listed import ListedSplit
from port.data.scenes import draw_dataset
from port.scoring.bounds import bound, open_layer


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp('scenes'), 3, 2, (24, 32))


def test_names_labels_and_pictures(data: Path) -> None:
    split = ListedSplit(data / 'VOC2012', data / 'VOC2012/list/trainval_aug.txt')
    assert split.indices == [f'train_{i:06d}' for i in range(3)] + [
        f'val_{i:06d}' for i in range(2)]
    label, image = (split.load_top(top, 'val_000001') for top in ('label', 'data'))
    assert label.shape == (1, 24, 32) and image.shape == (3, 24, 32)
    assert set(np.unique(label)) <= {*range(21), 255} and label.max() > 0


def test_files_called_alike_in_two_folders_are_two_images(tmp_path: Path) -> None:
    for folder, value in (('a', 1), ('b', 2)):
        (tmp_path / folder).mkdir()
        for name in ('1.jpg', '1.png'):
            Image.fromarray(np.full((4, 5), value, np.uint8)).save(tmp_path / folder / name)
    (tmp_path / 'list').write_text('/a/1.jpg /a/1.png\n/b/1.jpg /b/1.png\n')
    split = ListedSplit(tmp_path, tmp_path / 'list')
    assert split.indices == ['a/1', 'b/1']
    assert [split.load_top('label', name).max() for name in split.indices] == [1, 2]


@pytest.mark.parametrize('name', ['', 'trainval_aug'])
def test_a_row_opens_its_split_or_another_list(data: Path, name: str) -> None:
    layer = open_layer(VARIANTS['deeplab-largefov'], data, name=name)
    assert len(layer.indices) == (5 if name else 2)
    found = bound(layer, VARIANTS['deeplab-largefov'], ['nearest'])['nearest']
    assert found[4] > found[32] > 0


def test_refusals(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no such list of images'):
        ListedSplit(data / 'VOC2012', tmp_path / 'none.txt')
    (tmp_path / 'list.txt').write_text('\n/a.jpg\n')
    with pytest.raises(ValueError, match=r"list.txt:2: expected `image label`, got '/a.jpg'"):
        ListedSplit(data / 'VOC2012', tmp_path / 'list.txt')
    (tmp_path / 'list.txt').write_text('\n')
    with pytest.raises(ValueError, match='the list of images is empty'):
        ListedSplit(data / 'VOC2012', tmp_path / 'list.txt')
    (tmp_path / 'list.txt').write_text('/a.jpg /a.png\n')
    with pytest.raises(FileNotFoundError, match=r'a.jpg: no such image of .*list.txt'):
        ListedSplit(data / 'VOC2012', tmp_path / 'list.txt')
