"""fcn reproduce on nets of two heads and of two inputs, on a few files in the true formats."""

from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from click.testing import CliRunner
from PIL import Image

from port.cli import main
from port.data.siftflow import SCENES
from port.reproduce.recipe import Settings
from port.reproduce.reproduction import reproduce

SIZE = (32, 40)


def picture(random: np.random.RandomState) -> Image.Image:
    return Image.fromarray(random.randint(0, 256, (*SIZE, 3)).astype(np.uint8))


def save_mat(path: Path, name: str, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    scipy.io.savemat(path, {name: values})


@pytest.fixture
def siftflow(tmp_path: Path) -> Path:
    """Two training and two test images; class 33 (window) and more never occur."""
    root, random = tmp_path / 'data/sift-flow', np.random.RandomState(0)
    (root / 'Images' / SCENES).mkdir(parents=True)
    for split in ('trainval', 'test'):
        names = [f'{split}{i}' for i in range(2)]
        (root / f'{split}.txt').write_text('\n'.join(names) + '\n')
        for name in names:
            picture(random).save(root / 'Images' / SCENES / f'{name}.jpg')
            save_mat(root / 'SemanticLabels' / SCENES / f'{name}.mat', 'S',
                     random.randint(0, 31, SIZE).astype(np.uint8))
            save_mat(root / 'GeoLabels' / SCENES / f'{name}.mat', 'S',
                     random.randint(-1, 4, SIZE).astype(np.int16))
    return tmp_path / 'data'


@pytest.fixture
def nyud(tmp_path: Path) -> Path:
    root, random = tmp_path / 'data/nyud', np.random.RandomState(0)
    for folder in ('data/images', 'data/hha', 'segmentation'):
        (root / folder).mkdir(parents=True)
    for split, name in (('trainval', '5001'), ('test', '5002')):
        (root / f'{split}.txt').write_text(f'{name}\n')
        for kind in ('images', 'hha'):
            picture(random).save(root / f'data/{kind}/img_{name}.png')
        save_mat(root / f'segmentation/img_{name}.mat', 'segmentation',
                 random.randint(0, 41, SIZE).astype(np.uint8))
    return tmp_path / 'data'


def run(data: Path, name: str, out: Path) -> list[dict]:
    settings = Settings(name, str(data), width=0.02, block=1, blocks=1)
    return reproduce(settings, out, torch.device('cpu'), lambda line: None)['stages']


def test_a_second_head_is_its_accuracy_and_absent_classes_are_told(siftflow, tmp_path):
    rows = run(siftflow, 'siftflow-fcn16s', tmp_path / 'o')
    assert [row['name'] for row in rows] == ['siftflow-fcn32s', 'siftflow-fcn16s']
    lines = {line['metric']: line for line in rows[1]['comparison']}
    assert lines['geometric accuracy']['published'] == 94.3
    assert 0 <= lines['geometric accuracy']['measured'] <= 100
    assert rows[1]['absent']['classes'] == ['sun', 'tree', 'window']
    assert rows[1]['absent']['mean_iu_absent_as_0'] == pytest.approx(
        rows[1]['absent']['mean_iu_present'] * 30 / 33)
    text = (tmp_path / 'o/report.md').read_text()
    assert '3 class(es) do not occur in the truth (sun, tree, window)' in text
    assert '### Classes (score_geo)' in text and '| vertical |' in text
    for head, words in (('score_sem', 'mean IU'), ('score_geo', 'vertical')):
        assert words in text and f'## Confusion matrix ({head})' in text
        assert f'![best, median and worst predictions ({head})](pictures/sheet_{head}.png)' in text
    drawn = {p.name: p.read_bytes() for p in (tmp_path / 'o/pictures').iterdir()}
    for kind in ('confusion', 'sheet'):
        assert drawn[f'{kind}_score_sem.png'] != drawn[f'{kind}_score_geo.png']
        assert f'{kind}.png' not in drawn


def test_two_trunks_come_from_two_nets(nyud, tmp_path):
    rows = run(nyud, 'nyud-fcn32s-color-hha', tmp_path / 'o')
    assert [row['name'] for row in rows] == ['nyud-fcn32s-color', 'nyud-fcn32s-hha',
                                            'nyud-fcn32s-color-hha']
    assert (tmp_path / 'o/pictures/sheet.png').exists()
    assert rows[2]['comparison'][0]['published'] == 65.3


def test_the_command_of_the_docs_lists_absent_classes(siftflow, monkeypatch, tree):
    monkeypatch.chdir(siftflow.parent)
    text = (tree / 'docs/questions.md').read_text(encoding='utf-8')
    line = next(part for part in text.split('`') if part.startswith('fcn bound siftflow'))
    result = CliRunner().invoke(main, line.split()[1:])
    assert result.exit_code == 0, result.output
    assert ('sem: 3 of 33 classes do not occur (published: 3 in the test split): sun, tree, window'
            in result.output)
