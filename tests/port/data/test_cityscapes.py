"""port.data.cityscapes: the original tree, ids that become 19 classes, and the check of it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.check_dataset import check
from port.data.cityscapes import CLASSES, MEAN, CityscapesSegDataLayer
from port.data.colour_labels import TABLES, convert_folder

# What the dataset's own table gives each id for training, 0 to 33 in order.
TRAIN_IDS = [255, 255, 255, 255, 255, 255, 255, 0, 1, 255, 255, 2, 3, 4, 255, 255, 255, 5, 255, 6,
             7, 8, 9, 10, 11, 12, 13, 14, 15, 255, 255, 16, 17, 18]


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    """Two cities; every id stands in a label."""
    for split, names in (('train', ('bonn_1', 'aachen_2')), ('val', ('ulm_3',))):
        for name in names:
            city = name.partition('_')[0]
            for kind, end, array in (
                    ('leftImg8bit', 'leftImg8bit', np.full((2, 17, 3), 90, np.uint8)),
                    ('gtFine', 'gtFine_labelIds', np.arange(34, dtype=np.uint8).reshape(2, 17))):
                folder = tmp_path / kind / split / city
                folder.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(folder / f'{name}_{end}.png')
    return tmp_path


def opened(root: Path, split: str) -> CityscapesSegDataLayer:
    layer = CityscapesSegDataLayer()
    layer.param_str = repr({'cityscapes_dir': str(root), 'split': split})
    layer.read_param_str()
    return layer


def test_ids_become_the_19_classes(cityscapes: Path) -> None:
    layer = opened(cityscapes, 'train')
    layer.indices, layer.lines = layer.read_list()
    assert layer.indices == ['aachen/aachen_2', 'bonn/bonn_1'] and len(CLASSES) == 19
    data, label = layer.load(1)
    assert data.shape == (3, 2, 17) and data[0, 0, 0] == np.float32(90 - MEAN[0])
    assert label.reshape(-1).tolist() == TRAIN_IDS


def test_an_id_beyond_the_table_is_named(cityscapes: Path) -> None:
    path = cityscapes / 'gtFine/val/ulm/ulm_3_gtFine_labelIds.png'
    Image.fromarray(np.full((2, 17), 40, np.uint8)).save(path)
    layer = opened(cityscapes, 'val')
    with pytest.raises(ValueError, match=r'ulm_3_gtFine_labelIds.png: label 40 at x=0, y=0'):
        layer.load_label('ulm/ulm_3')


def test_check_counts_folders_and_names_what_is_wrong(cityscapes: Path) -> None:
    (cityscapes / 'gtFine/train/bonn/bonn_1_gtFine_labelIds.png').unlink()
    train, val, test = check('cityscapes', cityscapes)
    assert (train.count, val.count, test.skipped) == (2, 1, True)
    assert any('bonn_1_gtFine_labelIds.png' in line for line in train.problems)
    assert '17x2, expected 2048x1024' in val.problems[0] and not val.right_count


def test_a_split_without_images(cityscapes: Path) -> None:
    (report,) = check('cityscapes', cityscapes, ('test',))
    assert 'no images there; expected CITY/NAME_leftImg8bit.png' in report.problems[0]


def test_colour_labels(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    colours = [[128, 64, 128], [119, 11, 32], [111, 74, 0], [0, 0, 0]]
    Image.fromarray(np.array([colours], np.uint8)).save(tmp_path / 'in/a_gtFine_color.png')
    convert_folder(tmp_path / 'in', tmp_path / 'out', TABLES['cityscapes'](),
                   strip='_gtFine_color')
    with Image.open(tmp_path / 'out/a.png') as label:
        assert np.asarray(label).tolist() == [[0, 18, 255, 255]]
