"""port.data.pascalcontext: ids of the full list mapped by name to the task's classes."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from port.data.pascalcontext import CLASSES, FULL_NAMES, PASCALContextSegDataLayer
from port.engine.blob import Blob


@pytest.fixture
def context(tmp_path: Path) -> Path:
    """One image; a full list of 459 names in which the task's 59 stand scattered."""
    for folder in ('VOC2010/JPEGImages', 'VOC2010/ImageSets/Main', 'context/trainval'):
        (tmp_path / folder).mkdir(parents=True)
    Image.new('RGB', (3, 2)).save(tmp_path / 'VOC2010/JPEGImages/x.jpg')
    (tmp_path / 'VOC2010/ImageSets/Main/val.txt').write_text('x\n')
    full = {i: f'other thing {i}' for i in range(1, 460)}
    full |= {7 * k: FULL_NAMES.get(name, name) for k, name in enumerate(CLASSES) if k}
    full[7 * CLASSES.index('tvmonitor')] = 'tv monitor'
    write(tmp_path / 'context/labels.txt', full)
    write(tmp_path / 'context/59_labels.txt', dict(enumerate(CLASSES[1:], 1)))
    return tmp_path


def write(path: Path, labels: dict[int, str]) -> None:
    path.write_text(''.join(f'{key}: {name}\n' for key, name in labels.items()))


def feed(root: Path, label: np.ndarray) -> np.ndarray:
    scipy.io.savemat(root / 'context/trainval/x.mat', {'LabelMap': label})
    layer = PASCALContextSegDataLayer()
    layer.param_str = repr({'context_dir': str(root / 'context'), 'seed': 1337, 'split': 'val',
                            'voc_dir': str(root)})
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    layer.reshape([], top)
    layer.forward([], top)
    assert top[0].data.shape == (1, 3, 2, 3)
    return top[1].data


def test_ids_are_mapped_by_name_and_the_rest_is_background(context: Path) -> None:
    table, bed = CLASSES.index('diningtable'), CLASSES.index('bedcloth')
    label = np.array([[7, 8, 7 * table], [459, 7 * 59, 7 * bed]], np.uint16)
    assert feed(context, label).tolist() == [[[[1, 0, table], [0, 59, bed]]]]


def test_training_takes_any_other_id_for_background(context: Path) -> None:
    assert feed(context, np.array([[0, 7, 60000]] * 2, np.uint16)).tolist() == [[[[0, 1, 0]] * 2]]


def test_every_class_comes_back(context: Path) -> None:
    for k in range(1, 60):
        assert (feed(context, np.full((2, 3), 7 * k, np.uint16)) == k).all()


def test_a_class_that_the_full_list_lacks_is_named(context: Path) -> None:
    write(context / 'context/59_labels.txt', {1: 'airoplane'})
    with pytest.raises(ValueError, match="class 'airoplane' does not stand in .*did you mean "
                                         "'aeroplane'"):
        feed(context, np.zeros((2, 3), np.uint16))


def test_a_bad_line_and_a_missing_list_are_named(context: Path) -> None:
    (context / 'context/labels.txt').write_text('1: a\nb\n')
    with pytest.raises(ValueError, match=r"labels\.txt:2: expected 'id: name', got 'b'"):
        feed(context, np.zeros((2, 3), np.uint16))
    (context / 'context/labels.txt').unlink()
    with pytest.raises(FileNotFoundError, match=r"/labels\.txt: no such label list"):
        feed(context, np.zeros((2, 3), np.uint16))
