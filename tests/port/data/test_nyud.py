"""port.data.nyud: colour, 16-bit depth, HHA and labels of 1..40, in any order of tops."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from port.data.nyud import CLASSES, NYUDSegDataLayer
from port.engine.blob import Blob

DEPTH = np.array([[800, 2550], [9000, 40000]], np.uint16)
LABEL = np.array([[0, 1], [40, 7]], np.uint8)


@pytest.fixture
def nyud(tmp_path: Path) -> Path:
    """One scene, img_5001, with its four files."""
    for folder in ('data/images', 'data/depth', 'data/hha', 'segmentation'):
        (tmp_path / folder).mkdir(parents=True)
    Image.new('RGB', (2, 2), (1, 2, 3)).save(tmp_path / 'data/images/img_5001.png')
    Image.new('RGB', (2, 2), (4, 5, 6)).save(tmp_path / 'data/hha/img_5001.png')
    Image.fromarray(DEPTH).save(tmp_path / 'data/depth/img_5001.png')
    scipy.io.savemat(tmp_path / 'segmentation/img_5001.mat', {'segmentation': LABEL})
    (tmp_path / 'test.txt').write_text('5001\n')
    return tmp_path


def feed(root: Path, tops: list[str]) -> list[np.ndarray]:
    layer = NYUDSegDataLayer()
    layer.param_str = repr({'tops': tops, 'seed': 1337, 'nyud_dir': str(root), 'split': 'test'})
    blobs = [Blob(top).face() for top in tops]
    layer.setup([], blobs)
    layer.reshape([], blobs)
    layer.forward([], blobs)
    return [blob.data for blob in blobs]


def test_all_tops_with_their_means(nyud: Path) -> None:
    label, hha, color, depth = feed(nyud, ['label', 'hha', 'color', 'depth'])
    assert label.tolist() == [[[[255, 0], [39, 6]]]]
    f = np.float32
    assert hha[0, :, 0, 0].tolist() == [f(4) - f(132.431), f(5) - f(94.076), f(6) - f(118.477)]
    assert color[0, :, 0, 0].tolist() == [f(3) - f(116.190), f(2) - f(97.203), f(1) - f(92.318)]
    assert depth.shape == (1, 1, 2, 2)
    np.testing.assert_allclose(depth[0, 0], np.log(DEPTH.astype(float)) - 7.844, atol=1e-6)


def test_an_unknown_top_lists_the_known(nyud: Path) -> None:
    with pytest.raises(ValueError, match=r"param_str 'tops' is \['colour'\]; expected some of "
                                         'color, depth, hha, label'):
        feed(nyud, ['colour'])


def test_label_41_and_depth_0_are_refused_with_their_place(nyud: Path) -> None:
    scipy.io.savemat(nyud / 'segmentation/img_5001.mat', {'segmentation': LABEL + np.uint8(1)})
    with pytest.raises(ValueError, match=r'label 41 at x=0, y=1 .*0 for void or 1\.\.40'):
        feed(nyud, ['label'])
    Image.fromarray(DEPTH * np.array([[1, 0], [1, 1]], np.uint16)).save(
        nyud / 'data/depth/img_5001.png')
    with pytest.raises(ValueError, match=r'img_5001\.png: depth 0 at x=1, y=0 has no logarithm'):
        feed(nyud, ['depth'])


def test_sizes_are_held_against_each_other(nyud: Path) -> None:
    Image.new('RGB', (3, 2)).save(nyud / 'data/hha/img_5001.png')
    with pytest.raises(ValueError, match=r'hha/img_5001\.png is 3x2 but .*images/img_5001\.png '
                                         'is 2x2'):
        feed(nyud, ['color', 'hha', 'label'])


def test_there_are_40_classes() -> None:
    assert len(set(CLASSES)) == 40
