"""fcn infer --tile, --memory: the labels of the whole picture, what is said, what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def picture(scenes, tmp_path: Path) -> Path:
    path = tmp_path / 'large.tif'
    with Image.open(scenes.image('val_000000')) as image:
        image.resize((90, 70)).save(path)
    return path


@pytest.mark.parametrize('how, said', [
    (('--tile', '40x50'), '4 tile(s) of up to 40x50, about '), (('--tile', 'auto'), '1 tile(s)'),
    (('--memory', '4G'), '1 tile(s) of up to 70x90')])
def test_labels_are_those_of_the_whole_picture(how, said, trained, lively, picture, fcn,
                                               tmp_path: Path) -> None:
    found = {}
    for name, more in (('whole', ()), ('cut', how)):
        result = fcn('infer', trained / 'deploy.prototxt', picture, '--weights', lively, '--mean',
                     '1,2,3', '--out', tmp_path / name, *more)
        assert result.exit_code == 0, result.output
        found[name] = np.asarray(Image.open(tmp_path / name / 'large.png'))
    assert np.array_equal(found['whole'], found['cut']) and len(np.unique(found['cut'])) > 1
    assert result.stdout.startswith(f'{picture}: {said}')
    assert 'more multiplications for their overlap' in result.stdout


@pytest.mark.parametrize('more, status, line', [
    (('--memory', '10M'), 1, '0.01 GB of memory are too few'),
    (('--tile', '5'), 2, "'5' is not a size"), (('--memory', 'much'), 2, 'an amount of memory'),
    (('--tile', '40x50', '--memory', '1G'), 2, '--memory chooses the tile')])
def test_what_is_refused(more, status, line, trained, lively, picture, fcn, tmp_path) -> None:
    result = fcn('infer', trained / 'deploy.prototxt', picture, '--weights', lively, '--mean',
                 '1,2,3', '--out', tmp_path / 'out', *more)
    assert result.exit_code == status and line in result.output
    assert not (tmp_path / 'out').exists() or not list((tmp_path / 'out').iterdir())
