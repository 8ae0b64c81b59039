"""fcn surgery: the weights a net starts from, with a report; nothing written on a misfit."""

from pathlib import Path

import numpy as np
import pytest

import surgery
from netspec.families.fcn import fcn as make_net
from port.engine.net import Net
from surgery import param_shapes, read_weights, write_caffemodel

WIDTH = 0.03125


@pytest.fixture
def vgg(tmp_path: Path) -> Path:
    """A narrow VGG16 as classifiers are stored: fc6 and fc7 as matrices, and fc8."""
    shapes = param_shapes(make_net('voc-fcn32s', 'deploy', WIDTH))
    rng = np.random.default_rng(1)
    weights = {layer: [rng.standard_normal(shape).astype('f') for shape in blobs]
               for layer, blobs in shapes.items() if 'score' not in layer}
    for layer in ('fc6', 'fc7'):
        weights[layer][0] = weights[layer][0].reshape(len(weights[layer][0]), -1)
    weights['fc8'] = [np.ones((10, 128), 'f'), np.ones(10, 'f')]
    write_caffemodel(tmp_path / 'vgg.caffemodel', weights)
    return tmp_path / 'vgg.caffemodel'


def operate(fcn, net: str, *sources: Path, out: Path):
    given = [arg for source in sources for arg in ('--from', source)]
    return fcn('surgery', net, *given, '--out', out, '--width', WIDTH)


def test_classifier_into_32s(vgg: Path, tmp_path: Path, fcn, scenes, make_run) -> None:
    out = tmp_path / 'new.caffemodel'
    result = operate(fcn, 'voc-fcn32s', vgg, out=out)
    assert result.exit_code == 0 and result.stderr == ''
    assert 'coerced (2): fc6[0] (128, 784) -> (128, 16, 7, 7), fc7[0] (128, 128) -> ' \
           '(128, 128, 1, 1)' in result.stdout
    assert 'dropped (1): fc8' in result.stdout and result.stdout.endswith(f'wrote {out}\n')
    old, new = read_weights(vgg), read_weights(out)
    assert np.array_equal(new['conv5_3'][0], old['conv5_3'][0])
    assert np.array_equal(new['fc6'][0].reshape(128, -1), old['fc6'][0])
    assert not new['score_fr'][0].any() and new['upscore'][0].any()
    run = make_run(tmp_path / 'r', scenes)
    Net(run / 'train.prototxt', 0, weights=out)


def test_32s_into_16s(trained: Path, tmp_path: Path, fcn) -> None:
    source, out = trained / 'trained.caffemodel', tmp_path / 'sixteen.caffemodel'
    result = operate(fcn, 'voc-fcn16s', source, out=out)
    assert result.exit_code == 0 and 'WARNING' not in result.stdout
    old, new = read_weights(source), read_weights(out)
    assert 'upscore' not in new and 'dropped (1): upscore' in result.stdout
    assert all(np.array_equal(a, b) for layer in new.keys() & old.keys()
               for a, b in zip(new[layer], old[layer], strict=True))
    assert not new['score_pool4'][0].any()
    line = np.array([.25, .75, .75, .25], 'f')
    assert np.array_equal(new['upscore2'][0][20, 20], np.outer(line, line))


def test_hdf5_in_and_out(trained: Path, tmp_path: Path, fcn) -> None:
    source = read_weights(trained / 'trained.caffemodel')
    surgery.write_hdf5(tmp_path / 'a.caffemodel.h5', source)
    out = tmp_path / 'b.caffemodel.h5'
    assert operate(fcn, 'voc-fcn16s', tmp_path / 'a.caffemodel.h5', out=out).exit_code == 0
    assert np.array_equal(surgery.read_hdf5(out)['fc7'][0], source['fc7'][0])


def test_other_model(trained: Path, tmp_path: Path, fcn) -> None:
    """NET may be a prototxt, which follows the recipe of a published net."""
    net, out = trained / 'deploy.prototxt', tmp_path / 'w.caffemodel'
    result = fcn('surgery', net, '--recipe', 'voc-fcn32s', '--from',
                 trained / 'trained.caffemodel', '--out', out)
    assert result.exit_code == 0
    assert read_weights(out).keys() == read_weights(trained / 'trained.caffemodel').keys()


def test_weights_of_a_stranger_are_said_loudly(tmp_path: Path, fcn) -> None:
    write_caffemodel(tmp_path / 'other.caffemodel', {'stem': [np.ones((4, 3, 3, 3), 'f')]})
    result = operate(fcn, 'voc-fcn16s', tmp_path / 'other.caffemodel', out=tmp_path / 'w')
    assert 'WARNING: nothing was transplanted' in result.stdout
    assert 'conv1_1' in result.stdout.split('WARNING')[-1]


def test_refusals(vgg: Path, trained: Path, tmp_path: Path, refused) -> None:
    out, weights = ('--out', tmp_path / 'w.caffemodel'), trained / 'trained.caffemodel'
    line = refused('surgery', 'voc-fcn32s', '--from', vgg, '--width', 2 * WIDTH, *out)
    assert line.startswith(f"fcn: {vgg} into voc-fcn32s: layer 'conv1_1' blob 0: cannot coerce "
                           '(2, 3, 3, 3) to (4, 3, 3, 3)')
    out = (*out, '--width', WIDTH)
    line = refused('surgery', 'voc-fcn16s', '--from', weights, '--from', vgg, *out)
    assert 'takes the weights of 1 nets (voc-fcn32s), got 2' in line
    absent = tmp_path / 'vg.caffemodel'
    line = refused('surgery', 'voc-fcn32s', '--from', absent, *out)
    assert f'{absent}: no such weights file; did you mean' in line and 'vgg.caffemodel' in line
    line = refused('surgery', 'voc-fcn16s', '--from', weights, '--width', WIDTH, '--out',
                   tmp_path / 'no' / 'w.caffemodel')
    assert 'does not exist; make it first' in line
