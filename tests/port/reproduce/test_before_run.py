"""port.reproduce.before_run: what a run needs, there or missing, and where it is to be had."""

from pathlib import Path

import pytest
import torch

from port.data.scenes import draw_dataset
from port.reproduce import before_run
from port.reproduce.recipe import Settings


def told(settings: Settings, out: Path) -> list[str]:
    stages = before_run.stages_of_all(settings, out)
    return [str(need) for need in before_run.needs(settings, stages)]


def test_an_empty_machine_is_told_everything(tmp_path: Path) -> None:
    train, val, weights = told(Settings('voc-fcn8s', str(tmp_path / 'no')), tmp_path / 'run')
    assert 'MISSING  sbdd train: no folder ' in train and 'benchmark.tgz (MD5 82b4d87c' in train
    assert 'MISSING  voc2011 seg11valid' in val and 'VOCtrainval_25-May-2011.tar (MD5 6c33' in val
    assert 'http://host.robots.ox.ac.uk/pascal/VOC/voc2011/' in val and 'seg11valid.txt' in val
    assert 'MISSING  VGG16: VGG_ILSVRC_16_layers.caffemodel (SHA-1 9363e1f6' in weights
    val, weights = told(Settings('voc-fcn8s', str(tmp_path / 'no'), released=True), tmp_path)
    assert 'seg11valid' in val and 'fcn8s-heavy-pascal.caffemodel (SHA-1 c449ea74' in weights
    assert not (tmp_path / 'run').exists()


def test_what_is_there_and_what_is_half_there(tmp_path: Path) -> None:
    data = draw_dataset(tmp_path / 'data', 3, 2, (48, 64))
    settings = Settings('voc-fcn32s', str(data), width=0.25)          # from scratch: no weights
    train, val = told(settings, tmp_path)
    assert train.startswith('  there    sbdd train') and '3 images and their labels' in train
    assert val.startswith('  there    voc2011 seg11valid') and '2 images' in val
    next((data / 'sbdd/dataset/img').iterdir()).unlink()
    assert '1 files of its 3 images, such as ' in told(settings, tmp_path)[0]
    (tmp_path / 'vgg.caffemodel').touch()
    given = Settings('voc-fcn32s', str(data), str(tmp_path / 'vgg.caffemodel'))
    assert told(given, tmp_path)[2] == f'  there    VGG16: {tmp_path}/vgg.caffemodel'


def test_a_donor_that_is_given_is_not_asked_for(tmp_path: Path) -> None:
    settings = Settings('voc-fcn16s', str(tmp_path), donors={'voc-fcn32s': '32s.caffemodel'})
    assert not any('VGG16' in line for line in told(settings, tmp_path))


def test_disk_and_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings('camvid-fcn-basic', str(tmp_path), block=10, blocks=2, images=5)
    stages = before_run.stages_of_all(settings, tmp_path)
    assert before_run.size_of(stages[0].row) == (360, 480)
    count = before_run.parameters(stages[0].row, 1.0)
    assert f'about {5 * 4 * count / 1e9:.1f} GB in {tmp_path}' in before_run.disk(
        stages, settings, tmp_path)
    monkeypatch.setattr(before_run, 'seconds_an_image', lambda *asked: 3.0)
    line = before_run.time(stages, settings, torch.device('cpu'))
    passes = stages[0].iterations * stages[0].row.batch
    assert f'{passes} to train on, 10 to score' in line
    assert before_run.duration(3 * passes + 10) in line


def test_a_pass_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_run, 'size_of', lambda row: (32, 40))
    row = before_run.stages_of_all(Settings('voc-fcn32s', ''), Path())[0].row
    assert 0 < before_run.seconds_an_image(row, 0.03, torch.device('cpu')) < 60


def test_released_weights_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    settings = Settings('voc-fcn8s', str(tmp_path / 'data'), released=True)
    assert before_run.released_file(settings) is None
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data/fcn8s-heavy-pascal.caffemodel').touch()
    assert before_run.released_file(settings) == tmp_path / 'data/fcn8s-heavy-pascal.caffemodel'
    kept = before_run.released_file(Settings('camvid-fcn-basic', '', released=True))
    assert kept is not None and kept.name == 'camvid-fcn-basic.caffemodel'
