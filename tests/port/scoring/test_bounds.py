"""port.scoring.bounds: resampled labels against plain loops; absent classes."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.variants import VARIANTS
from port.cli import main
from port.commands.bound import table
from port.data.scenes import draw_dataset
from port.scoring import bounds as labels

LABEL = np.array([[0, 0, 1, 1, 2],
                  [0, 3, 1, 255, 2],
                  [255, 255, 3, 3, 3]], np.uint8)


def plain_majority(label, factor, classes):
    """The commonest class of every block, one block at a time; the lowest of equals."""
    out = np.zeros(label.shape, int)
    for y in range(0, label.shape[0], factor):
        for x in range(0, label.shape[1], factor):
            block = label[y:y + factor, x:x + factor]
            counted = [int((block == c).sum()) for c in range(classes)]
            out[y:y + factor, x:x + factor] = counted.index(max(counted))
    return out


@pytest.mark.parametrize('factor', [1, 2, 3, 4, 8])
def test_majority_of_blocks(factor):
    assert np.array_equal(labels.majority(LABEL, factor, 4), plain_majority(LABEL, factor, 4))
    big = np.random.RandomState(factor).randint(0, 5, (13, 11)).astype(np.uint8)
    assert np.array_equal(labels.majority(big, factor, 4), plain_majority(big, factor, 4))


def test_nearest_takes_the_middle_and_where_void_the_majority():
    out = labels.nearest(LABEL, 2, 4)
    assert out[:2, :2].tolist() == [[3, 3], [3, 3]]   # (1, 1) is the middle
    assert out[:2, 2:4].tolist() == [[1, 1], [1, 1]]   # void there
    assert out[0, 4] == 2 and out.shape == LABEL.shape


@pytest.mark.parametrize('method', labels.METHODS)
def test_a_factor_of_one_and_whole_blocks_change_nothing(method):
    whole = np.kron(np.array([[0, 1], [2, 3]]), np.ones((8, 8), int)).astype(np.uint8)
    assert np.array_equal(labels.METHODS[method](whole, 1, 4), whole)
    if method != 'bilinear':
        assert np.array_equal(labels.METHODS[method](whole, 8, 4), whole)


def test_bilinear_rounds_corners_only():
    whole = np.kron(np.array([[0, 1], [1, 1]]), np.ones((8, 8), int)).astype(np.uint8)
    out = labels.smooth(whole, 8, 2)
    assert (out[:6, :6] == 0).sum() > 18 and (out[8:, 8:] == 1).all()


@pytest.fixture(scope='module')
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_dataset(tmp_path_factory.mktemp('scenes'), 1, 6, (60, 80))


def test_the_bound_falls_with_the_factor(data):
    row = VARIANTS['voc-fcn32s']
    found = labels.bound(labels.open_layer(row, data), row)
    assert set(found) == set(labels.METHODS)
    for rows in found.values():
        values = [rows[factor] for factor in labels.FACTORS]
        assert values == sorted(values) and values[0] < 60 < 85 < values[-1] < 100


def test_the_command_shows_the_published_bound(data, tmp_path):
    result = CliRunner().invoke(main, ['bound', '--data', str(data), '--method', 'majority',
                                       f'--json={tmp_path / "b.json"}'])
    assert result.exit_code == 0, result.output
    assert '50.9' in result.output
    known = json.loads((tmp_path / 'b.json').read_text())['published']
    assert known == {'128': 50.9, '64': 73.3, '32': 86.1, '16': 92.8, '8': 96.4, '4': 98.5}


def test_another_list_and_fewer_images_may_be_taken(data):
    row = VARIANTS['voc-fcn32s']
    assert len(labels.open_layer(row, data, name='train').indices) == 1
    assert len(labels.open_layer(row, data).indices) == 6
    lines = [CliRunner().invoke(main, ['bound', '--data', str(data), '--absent', *more]).output
             for more in ([], ['--limit', '1'], ['--split', 'train'])]
    absent = [int(line.split()[1]) for line in lines]
    assert absent[0] < absent[1] and lines[2] != lines[0]


def test_only_what_is_published_of_voc_is_shown():
    assert 'published' not in table({'nearest': dict.fromkeys(labels.FACTORS, 1.0)})


def test_absent_classes_are_listed(data):
    row = VARIANTS['voc-fcn32s']
    layer = labels.open_layer(row, data)
    counted = labels.counts(layer, row)['label']
    brute = np.zeros(21, int)
    for name in layer.indices:
        label = layer.load_label(name)
        brute += [(label == c).sum() for c in range(21)]
    assert np.array_equal(counted, brute) and (brute == 0).sum() > 5
    result = CliRunner().invoke(main, ['bound', '--data', str(data), '--absent'])
    assert f'{(brute == 0).sum()} of 21 classes do not occur' in result.output
