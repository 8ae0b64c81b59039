"""port.data.scenes: the drawn dataset, as the published data layers read it."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from port.data.scenes import DRAWN, draw_dataset, draw_scene, scenes, void_border
from port.data.voc import MEAN, SBDDSegDataLayer, VOCSegDataLayer
from port.engine.blob import Blob

SIZE = (60, 80)


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp('drawn') / 'scenes', 8, 4, SIZE, seed=3)


def sets(root: Path) -> list[tuple]:
    voc, sbdd = str(root / 'pascal/VOC2011'), str(root / 'sbdd/dataset')
    return [(SBDDSegDataLayer, {'sbdd_dir': sbdd, 'split': 'train'}, 8),
            (VOCSegDataLayer, {'voc_dir': voc, 'split': 'train'}, 8),
            (VOCSegDataLayer, {'voc_dir': voc, 'split': 'seg11valid'}, 4)]


@pytest.mark.parametrize('which', range(3))
def test_the_published_layers_read_it(root: Path, which: int) -> None:
    kind, params, count = sets(root)[which]
    layer = kind()
    layer.param_str = repr({**params, 'mean': MEAN, 'seed': 1337})
    layer.setup([], [Blob('data').face(), Blob('label').face()])
    assert len(layer.indices) == count
    for i in range(count):
        data, label = layer.load(i)
        assert data.shape == (3, *SIZE) and label.shape == (1, *SIZE)
        assert set(np.unique(label)) <= {0, 255, *DRAWN}


def test_voc_has_palette_and_void_where_sbdd_has_neither(root: Path) -> None:
    png = Image.open(root / 'pascal/VOC2011/SegmentationClass/train_000001.png')
    assert png.mode == 'P' and png.getpalette()[3:6] == [128, 0, 0]
    index = np.asarray(png)
    mat = scipy.io.loadmat(root / 'sbdd/dataset/cls/train_000001.mat')['GTcls'][0, 0]
    whole = mat['Segmentation']
    assert (index == 255).any() and not (whole == 255).any()
    assert np.array_equal(whole[index != 255], index[index != 255])
    assert set(mat['CategoriesPresent'].ravel()) == set(np.unique(whole)) - {0}


def test_void_lies_on_both_sides_of_an_outline() -> None:
    labels = np.zeros((5, 7), np.uint8)
    labels[:, 4:] = 3
    assert void_border(labels)[2].tolist() == [0, 0, 0, 255, 255, 3, 3]
    assert void_border(labels.T)[:, 2].tolist() == [0, 0, 0, 255, 255, 3, 3]


def test_a_scene_depends_on_the_seed_and_its_number_only() -> None:
    few, many = (list(scenes('train', n, SIZE, 5)) for n in (2, 4))
    assert all(np.array_equal(a, b) for one, other in zip(few, many, strict=False)
               for a, b in zip(one[1:], other[1:], strict=True))
    other_seed, other_split = (next(scenes(s, 1, SIZE, n)) for s, n in (('train', 6), ('val', 5)))
    assert not np.array_equal(few[0][1], other_seed[1])
    assert not np.array_equal(few[0][1], other_split[1])


def test_every_class_is_drawn_and_ground_prevails() -> None:
    rng = np.random.default_rng(0)
    counts = sum(np.bincount(draw_scene(SIZE, rng)[1].ravel(), minlength=21) for _ in range(40))
    assert set(np.flatnonzero(counts)) == {0, *DRAWN}
    assert counts[0] > counts[1:].sum() and counts[list(DRAWN)].min() > 0.005 * counts.sum()


def test_what_stands_there_is_kept_or_refused(root: Path) -> None:
    stamp = (root / 'scenes.json').stat().st_mtime_ns
    assert draw_dataset(root, 8, 4, SIZE, seed=3) == root
    assert (root / 'scenes.json').stat().st_mtime_ns == stamp
    with pytest.raises(FileExistsError, match='remove it or name another folder'):
        draw_dataset(root, 9, 4, SIZE, seed=3)


def test_an_empty_folder_is_used(tmp_path: Path) -> None:
    assert (draw_dataset(tmp_path, 1, 1, SIZE) / 'sbdd/dataset/train.txt').is_file()


def test_nothing_half_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr('port.data.scenes._write_struct', full)
    with pytest.raises(OSError, match='No space'):
        draw_dataset(tmp_path / 'd', 2, 1, SIZE)
    assert list(tmp_path.iterdir()) == []
