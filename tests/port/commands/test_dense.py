"""fcn convolutionalize and fcn dense: files, lines and a picture; wrong uses in one line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from netspec import NetSpec
from netspec import layers as L
from netspec import params as P
from netspec.schema import print_net, read_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from surgery import read_caffemodel


@pytest.fixture
def classifier(tmp_path: Path) -> tuple[Path, Path]:
    """A small classifier of 22 x 22 images and its weights, as files."""
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 22, 22]))
    n.conv1 = L.Convolution(n.data, num_output=8, kernel_size=3)
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n.pool1 = L.Pooling(n.relu1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.conv2 = L.Convolution(n.pool1, num_output=8, kernel_size=3)
    n.pool2 = L.Pooling(n.conv2, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.ip = L.InnerProduct(n.pool2, num_output=6)
    model, weights = tmp_path / 'net.prototxt', tmp_path / 'w.caffemodel'
    model.write_text(print_net(n.to_proto()))
    net = Net(model, TEST)
    random_weights(net, 1)
    net.save(weights)
    return model, weights


def test_convolutionalize_writes_net_and_weights(fcn, classifier, tmp_path: Path) -> None:
    model, weights = classifier
    result = fcn('convolutionalize', model, '--weights', weights, '--out', tmp_path / 'conv')
    assert result.exit_code == 0, result.stderr
    assert 'ip: InnerProduct -> Convolution 4 x 4' in result.stdout
    assert f'{8 * 28 + 8 * 73 + 6 * 129:,} parameters, as before' in result.stdout
    assert [x.type for x in read_net(tmp_path / 'conv/deploy.prototxt').layer][-1] == 'Convolution'
    old, new = read_caffemodel(weights), read_caffemodel(tmp_path / 'conv/weights.caffemodel')
    assert new['ip'][0].shape == (6, 8, 4, 4)
    assert (new['ip'][0].ravel() == old['ip'][0].ravel()).all()


def test_scores_start_at_zero_and_upsampling_is_bilinear(fcn, classifier, tmp_path: Path) -> None:
    model, weights = classifier
    result = fcn('convolutionalize', model, '--weights', weights, '--out', tmp_path / 'fcn',
                 '--classes', 3, '--skips', 'pool1')
    assert result.exit_code == 0, result.stderr
    assert 'scores of 3 classes' in result.stdout
    held = read_caffemodel(tmp_path / 'fcn/weights.caffemodel')
    assert not held['score_fr'][0].any() and held['upscore'][0][0, 0].max() > 0
    net = Net(tmp_path / 'fcn/deploy.prototxt', TEST, weights=tmp_path / 'fcn/weights.caffemodel')
    assert net.forward(data=np.zeros((1, 3, 31, 40), 'f'))['score'].shape == (1, 3, 31, 40)


def test_dense_draws_the_map_and_says_how_it_lies(fcn, classifier, tmp_path: Path) -> None:
    model, weights = classifier
    image = tmp_path / 'photo.png'
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (38, 46, 3), 'u1')).save(image)
    result = fcn('dense', model, image, '--weights', weights)
    assert result.exit_code == 0, result.stderr
    assert '(38 - 22) / 4 + 1 = 5 rows, 7 columns' in result.stdout
    assert 'of the largest score: equal: no layer pads' in result.stdout
    with Image.open(tmp_path / 'photo_classes.png') as picture:
        assert picture.width == 46 and picture.height > 38


def test_dense_between_the_strides(fcn, classifier, tmp_path: Path) -> None:
    model, weights = classifier
    image = tmp_path / 'photo.png'
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (38, 46, 3), 'u1')).save(image)
    result = fcn('dense', model, image, '--weights', weights, '--stride', 2)
    assert result.exit_code == 0, result.stderr
    assert '4 / 2 = 2, 2 x 2 = 4 shifted passes, 9 x 13 answers' in result.stdout
    assert 'equal, for no answer reads padding' in result.stdout
    share = float(result.stdout.split('largest difference ')[2].split()[0])
    assert share <= 1e-12
    with Image.open(tmp_path / 'photo_classes.png') as picture:
        assert picture.width == 46


def test_a_stride_that_cannot_be_is_refused_at_once(fcn, classifier, tmp_path: Path) -> None:
    image = tmp_path / 'photo.png'
    Image.new('RGB', (46, 38)).save(image)
    result = fcn('dense', classifier[0], image, '--weights', classifier[1], '--stride', 3)
    assert result.exit_code == 1 and result.stderr.count('\n') == 1
    assert "layer 'ip' lies on the image every 4 pixels" in result.stderr
    assert not (tmp_path / 'photo_classes.png').exists()


@pytest.mark.parametrize(('options', 'said'), [
    (['--skips', 'pool1'], '--skips goes with --classes'),
    (['--classes', '3', '--skips', 'pool9'], "no top to skip from 'pool9'; did you mean 'pool2'"),
    (['--size', '3x3'], "layer 'conv2' (Convolution)")])
def test_wrong_uses_are_one_line(fcn, classifier, tmp_path: Path, options, said: str) -> None:
    result = fcn('convolutionalize', classifier[0], '--out', tmp_path / 'no', *options)
    assert result.exit_code in (1, 2) and result.stderr.count('\n') == 1
    assert said in result.stderr
    assert not (tmp_path / 'no').exists()


def test_a_photograph_smaller_than_the_window(fcn, classifier, tmp_path: Path) -> None:
    image = tmp_path / 'small.png'
    Image.new('RGB', (40, 20)).save(image)
    result = fcn('dense', classifier[0], image, '--weights', classifier[1])
    assert result.exit_code == 1 and '20x40 (height x width) is smaller than' in result.stderr
    assert not (tmp_path / 'small_classes.png').exists()
