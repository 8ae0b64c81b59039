"""Labels after a dense CRF: of logarithms where scores are probabilities; the plain picture back
from what data layers made of it.
"""

from pathlib import Path

import numpy as np
import pytest

from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.crf import refine
from port.crf.crf_weights import CrfWeights
from port.data.readers import read_rgb
from port.data.scenes import draw_dataset
from port.engine.net import Net
from port.scoring.crf_labels import CrfOfData, crf_labels

CRF = CrfWeights(3, 3, 5, 50, 10)
HEAD = '''layer { name: "score" type: "Convolution" bottom: "data" top: "score" convolution_param {
    num_output: 4 kernel_size: 1 weight_filler { type: "gaussian" std: 0.05 } } }'''


@pytest.fixture(scope='module')
def voc(tmp_path_factory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp('scenes') / 'data', 1, 2, (40, 52))


def python_net(root: Path, head: str = HEAD) -> Net:
    param = {'voc_dir': str(root / 'pascal' / 'VOC2011'), 'split': 'seg11valid',
             'mean': (104.00699, 116.66877, 122.67892)}
    return Net(parse_net(f'''layer {{ name: "data" type: "Python" top: "data" top: "label"
        python_param {{ module: "voc_layers" layer: "VOCSegDataLayer" param_str: "{param}" }} }}
        {head}'''), TEST)


def photo(root: Path, i: int = 0) -> np.ndarray:
    return read_rgb(root / 'pascal' / 'VOC2011' / 'JPEGImages' / f'val_{i:06d}.jpg')


def test_the_picture_of_a_python_layer(voc: Path) -> None:
    net = python_net(voc)
    crf = CrfOfData(net, CRF)
    for i in range(2):
        net.run_forward()
        assert np.array_equal(crf.picture(), photo(voc, i))


@pytest.mark.parametrize('transform', [
    'mean_value: 104.008 mean_value: 116.669 mean_value: 122.675',
    'mean_value: 120 scale: 0.017', ''])
def test_the_picture_of_caffes_layers(transform: str, voc: Path, tmp_path: Path) -> None:
    (tmp_path / 'list').write_text(f'{voc}/pascal/VOC2011/JPEGImages/val_000001.jpg 0\n')
    net = Net(parse_net(f'''layer {{ name: "data" type: "ImageData" top: "data" top: "label"
        image_data_param {{ source: "{tmp_path}/list" batch_size: 1 }}
        transform_param {{ {transform} }} }} {HEAD}'''), TEST)
    net.run_forward()
    assert np.array_equal(CrfOfData(net, CRF).picture(), photo(voc, 1))


def test_labels(voc: Path) -> None:
    net = python_net(voc)
    net.run_forward()
    scores = net.blobs['score'].data[0].numpy()
    expected = refine(scores, photo(voc), [('gaussian', 3, 3), ('bilateral', 5, 50, 10)]).argmax(0)
    assert np.array_equal(CrfOfData(net, CRF)('score'), expected)
    assert np.array_equal(CrfOfData(net)('score'), scores.argmax(0))
    assert (expected != scores.argmax(0)).any()


def test_probabilities_count_by_their_logarithms(voc: Path) -> None:
    """As DeepLab's first release had it; softmax of log p is p."""
    net = python_net(voc, f'{HEAD} layer {{ name: "p" type: "Softmax" bottom: "score" top: "p" }}')
    net.run_forward()
    found = [crf_labels(net, blob, net.blobs[blob].data[0].numpy(), photo(voc), CRF)
             for blob in ('score', 'p')]
    assert np.array_equal(*found)


def test_nets_without_a_plain_picture(voc: Path) -> None:
    net = Net(parse_net(f'''layer {{ name: "data" type: "Input" top: "data"
        input_param {{ shape {{ dim: 1 dim: 3 dim: 4 dim: 5 }} }} }} {HEAD}'''), TEST)
    with pytest.raises(ValueError, match='--crf needs the plain picture, and no data layer'):
        CrfOfData(net, CRF)


def test_scores_of_another_size(voc: Path) -> None:
    net = python_net(voc, HEAD.replace('kernel_size: 1', 'kernel_size: 3'))
    net.run_forward()
    with pytest.raises(ValueError, match=r'scores are 38 x 50 pixels, the picture .*40, 52, 3'):
        CrfOfData(net, CRF)('score')


def test_padding_is_no_part_of_the_picture(voc: Path, tmp_path: Path) -> None:
    """DeepLab's test nets pad to 513 x 513; their program refines the real part alone."""
    folder = voc / 'pascal' / 'VOC2011'
    (tmp_path / 'list').write_text(f'{folder}/JPEGImages/val_000001.jpg '
                                   f'{folder}/SegmentationClass/val_000001.png\n')
    net = Net(parse_net(f'''layer {{ name: "data" type: "ImageSegData" top: "data" top: "label"
        top: "data_dim" image_data_param {{ source: "{tmp_path}/list" batch_size: 1
            label_type: PIXEL }}
        transform_param {{ mean_value: 104.008 mean_value: 116.669 mean_value: 122.675
            crop_size: 65 }} }} {HEAD}'''), TEST)
    net.run_forward()
    crf, rgb = CrfOfData(net, CRF), photo(voc, 1)
    assert np.array_equal(crf.picture(), rgb) and rgb.shape == (40, 52, 3)
    scores = net.blobs['score'].data[0].numpy()
    labels = crf('score')
    assert labels.shape == (65, 65)
    assert np.array_equal(labels[:40, :52], crf_labels(net, 'score', scores[:, :40, :52], rgb, CRF))
    assert np.array_equal(labels[40:], scores.argmax(0)[40:])
