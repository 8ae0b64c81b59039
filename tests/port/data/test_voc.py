"""port.data.voc: VOC's palette PNGs and SBDD's MATLAB structs, and the built-in module names."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from netspec.variants.deeplab_rows import DeepLab
from port.data.voc import CLASSES, SBDDSegDataLayer, VOCSegDataLayer
from port.engine.blob import Blob
from port.engine.net import Net
from port.layers.python import BUILTIN, builtin_module

MEAN = (104.00699, 116.66877, 122.67892)
LABEL = np.array([[0, 1, 20], [255, 5, 7]], np.uint8)


@pytest.fixture
def pixels(tmp_path: Path) -> np.ndarray:
    """Write one photograph into both layouts; give its decoded pixels."""
    for folder in ('voc/JPEGImages', 'voc/SegmentationClass', 'voc/ImageSets/Segmentation',
                   'sbdd/img', 'sbdd/cls'):
        (tmp_path / folder).mkdir(parents=True)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (2, 3, 3), np.uint8))
    for path in ('voc/JPEGImages/x.jpg', 'sbdd/img/x.jpg'):
        photo.save(tmp_path / path)
    (tmp_path / 'voc/ImageSets/Segmentation/val.txt').write_text('x\n')
    (tmp_path / 'sbdd/val.txt').write_text('x\n')
    return np.asarray(Image.open(tmp_path / 'voc/JPEGImages/x.jpg'))


def feed(layer: VOCSegDataLayer | SBDDSegDataLayer, **params: object) -> list[np.ndarray]:
    layer.param_str = repr(params)
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    layer.reshape([], top)
    layer.forward([], top)
    return [blob.data for blob in top]


def check_data(data: np.ndarray, pixels: np.ndarray) -> None:
    assert data.shape == (1, 3, 2, 3)
    for c in range(3):
        expected = pixels[:, :, 2 - c].astype(np.float64) - MEAN[c]
        assert np.array_equal(data[0, c], expected.astype(np.float32))


def test_voc_reads_palette_indices(tmp_path: Path, pixels: np.ndarray) -> None:
    index = Image.fromarray(LABEL)
    index.putpalette([3, 1, 4] * 256)
    index.save(tmp_path / 'voc/SegmentationClass/x.png')
    data, label = feed(VOCSegDataLayer(), voc_dir=str(tmp_path / 'voc'), split='val', mean=MEAN)
    check_data(data, pixels)
    assert np.array_equal(label, LABEL[None, None].astype(np.float32))


def write_struct(path: Path, label: np.ndarray) -> None:
    """Write GTcls as SBDD does: Boundaries (sparse, a cell a class), Segmentation, Categories."""
    cells = np.empty((20, 1), object)
    for i in range(20):
        cells[i, 0] = scipy.sparse.csc_matrix(label == i + 1)
    scipy.io.savemat(path, {'GTcls': {'Boundaries': cells, 'Segmentation': label,
                                      'CategoriesPresent': np.array([[1], [20]], np.uint8)}})


def test_sbdd_reads_the_struct(tmp_path: Path, pixels: np.ndarray) -> None:
    write_struct(tmp_path / 'sbdd/cls/x.mat', LABEL)
    data, label = feed(SBDDSegDataLayer(), sbdd_dir=str(tmp_path / 'sbdd'), split='val', mean=MEAN)
    check_data(data, pixels)
    assert np.array_equal(label, LABEL[None, None].astype(np.float32))


def test_sbdd_names_the_file_of_a_wrong_struct(tmp_path: Path, pixels: np.ndarray) -> None:
    scipy.io.savemat(tmp_path / 'sbdd/cls/x.mat', {'GTcls': {'Boundaries': 1}})
    with pytest.raises(ValueError, match=r"x\.mat: GTcls has no field Segmentation.*val\.txt:1"):
        feed(SBDDSegDataLayer(), sbdd_dir=str(tmp_path / 'sbdd'), split='val', mean=MEAN)
    scipy.io.savemat(tmp_path / 'sbdd/cls/x.mat', {'GTinst': 1})
    with pytest.raises(ValueError, match=r"x\.mat: holds no variable 'GTcls'"):
        feed(SBDDSegDataLayer(), sbdd_dir=str(tmp_path / 'sbdd'), split='val', mean=MEAN)


def test_the_classes_are_those_of_the_nets() -> None:
    assert len(CLASSES) == VARIANTS['voc-fcn8s'].classes and CLASSES[15] == 'person'


def test_a_net_feeds_itself_from_the_built_in_layer(tmp_path: Path, pixels: np.ndarray) -> None:
    write_struct(tmp_path / 'sbdd/cls/x.mat', LABEL)
    params = {'sbdd_dir': str(tmp_path / 'sbdd'), 'split': 'val', 'mean': MEAN}
    net = Net(parse_net(f'''
        layer {{ name: "data" type: "Python" top: "data" top: "label"
          python_param {{ module: "voc_layers" layer: "SBDDSegDataLayer"
                          param_str: "{params}" }} }}
        layer {{ name: "s" type: "Silence" bottom: "data" bottom: "label" }}'''), TEST)
    net.forward()
    check_data(net.blobs['data'].data.numpy(), pixels)
    assert net.blobs['label'].data[0, 0].tolist() == LABEL.tolist()
    assert net.layers[0].state()['passes'] == 1


@pytest.mark.parametrize('row', [row for row in VARIANTS.values() if not isinstance(row, DeepLab)],
                         ids=lambda row: row.name)
def test_every_variant_finds_its_data_layers(row: object) -> None:
    for split in row.splits:
        layer = getattr(builtin_module(split.layer.module), split.layer.type)
        known = {*layer.required, *layer.optional, 'seed', 'randomize', 'prefetch'}
        assert set(layer.required) <= set(split.layer.keys) <= known


def test_an_unknown_module_lists_the_known() -> None:
    assert set(BUILTIN) == {'voc_layers', 'nyud_layers', 'siftflow_layers',
                            'pascalcontext_layers', 'camvid_layers', 'cityscapes_layers',
                            'folder_layers'}
    with pytest.raises(KeyError, match='called .coco_layers.; known: voc_layers'):
        builtin_module('coco_layers')
