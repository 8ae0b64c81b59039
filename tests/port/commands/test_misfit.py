"""Weights that do not fit a net that is used as it is: one line, never labels of nothing."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import port
from netspec.families.fcn import fcn as make_net
from netspec.schema import print_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from surgery import read_caffemodel, write_caffemodel

WIDTH = 1 / 32
WIDE = ('--width', WIDTH)


@pytest.fixture
def weights(tmp_path: Path) -> Callable[..., Path]:
    """weights('voc-fcn32s') -> a file of random weights of that net, narrow."""
    def make(name: str, **options) -> Path:
        net = Net(make_net(name, 'deploy', **({'width': WIDTH} | options)), TEST)
        random_weights(net, 1)
        net.save(tmp_path / f'{name}.caffemodel')
        return tmp_path / f'{name}.caffemodel'
    return make


def uses(name: str, file: Path, picture: Path, out: Path, *wide: object) -> list[tuple]:
    """The commands that use weights as they are."""
    return [('infer', name, picture, '--weights', file, '--out', out / 'labels', *wide),
            ('export', name, '--weights', file, '--out', out / 'o.onnx', *wide),
            ('time', name, '--weights', file, '--size', '32x32', '--iterations', 1, *wide),
            ('compare', f'{name}:{file}', f'{name}:{file}', '--images', picture, *wide)]


@pytest.mark.parametrize('name, theirs, count, first', [
    ('voc-fcn32s', 'camvid-fcn-basic', 16, 'conv1_1, conv1_2, conv2_1, conv2_2, conv3_1, …'),
    ('voc-fcn8s', 'voc-fcn32s', 2, 'score_pool4, score_pool3;'),
    ('siftflow-fcn32s', 'camvid-fcn32s', 2, 'score_fr_sem, score_fr_geo;')])
def test_weights_of_another_net(name: str, theirs: str, count: int, first: str, weights, scenes,
                                tmp_path: Path, refused) -> None:
    file = weights(theirs)
    for args in uses(name, file, scenes.image('val_000000'), tmp_path, *WIDE):
        line = refused(*args)
        assert f'{file}: nothing for {count} of the net\'s ' in line and first in line
        assert 'are they weights of this net?' in line and '`fcn surgery`' in line
    with pytest.raises(ValueError, match=f'nothing for {count} of'):
        port.predictor(make_net(name, 'deploy', width=WIDTH), file)
    Net(make_net(name, 'deploy', width=WIDTH), TEST, weights=file)         # as lenient as Caffe


def test_score(trained: Path, weights, refused, fcn) -> None:
    args = (trained / 'val.prototxt', '--weights', weights('camvid-fcn-basic'))
    assert "nothing for 16 of the net's 17" in refused('score', *args)
    assert fcn('test', *args, '--iterations', 1).exit_code == 0             # as lenient as Caffe


def test_several_files_together(weights, scenes, tmp_path: Path, fcn) -> None:
    whole = read_caffemodel(weights('voc-fcn16s'))
    write_caffemodel(tmp_path / 'head', {'score_pool4': whole['score_pool4']})
    both = f'{weights("voc-fcn32s")},{tmp_path / "head"}'
    args = ('infer', 'voc-fcn16s', scenes.image('val_000000'), *WIDE, '--out', tmp_path / 'o')
    result = fcn(*args, '--weights', both)
    assert result.exit_code == 0, result.output


def test_other_width_and_classes(weights, scenes, tmp_path: Path, refused) -> None:
    file, picture = weights('voc-fcn32s'), scenes.image('val_000000')
    for wide in (('--width', 1 / 16), (*WIDE, '--classes', 5)):
        for args in uses('voc-fcn32s', file, picture, tmp_path, *wide):
            line = refused(*args)
            assert 'shape mismatch' in line and '--width' in line and '--classes' in line
            assert 'rename' not in line


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_values_that_are_no_numbers(value: float, trained: Path, lively: Path, scenes,
                                    tmp_path: Path, refused) -> None:
    net = Net(trained / 'deploy.prototxt', TEST, weights=lively)
    net.params['conv3_2'][1].data[0] = value
    net.save(tmp_path / 'w')
    found = f"{tmp_path / 'w'}: layer 'conv3_2', blob 1: 1 of 8 values are NaN or infinite"
    assert found in refused('score', trained / 'val.prototxt', '--weights',
                            tmp_path / 'w')
    assert found in refused('infer', 'voc-fcn32s', scenes.image('val_000000'), '--weights',
                            tmp_path / 'w', *WIDE, '--out', tmp_path / 'o')


def test_training_logs_what_is_left_out(trained: Path, weights, scenes, make_run, tmp_path: Path,
                                        fcn) -> None:
    run, text = make_run(tmp_path / 'r', scenes), trained / 'trained.caffemodel'
    assert fcn('train', '--solver', make_run(tmp_path / 'q', scenes, 'voc-fcn16s') /
               'solver.prototxt', '--weights', text, '--iterations', 1).exit_code == 0
    log = (tmp_path / 'q' / 'snapshot' / 'train.log').read_text()
    assert 'Ignoring source layer upscore\n' in log
    assert (f"{text}: nothing for 3 of the net's 19 layers with parameters: upscore2, score_pool4, "
            'upscore16\n') in log
    file = weights('camvid-segnet-basic')
    result = fcn('train', '--solver', run / 'solver.prototxt', '--weights', file, '--iterations', 1)
    assert result.exit_code == 0 and f"warning: {file}: nothing for 17 of" in result.stderr


def test_a_prototxt_of_another_net(weights, scenes, tmp_path: Path, refused) -> None:
    model = tmp_path / 'deploy.prototxt'
    model.write_text(print_net(make_net('voc-fcn8s', 'deploy', width=WIDTH)))
    assert 'score_pool4, score_pool3;' in refused(
        'infer', model, scenes.image('val_000000'), '--mean', 'voc-fcn8s', '--weights',
        weights('voc-fcn32s'), '--out', tmp_path / 'o')
