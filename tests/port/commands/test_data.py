"""fcn data: what the three sub-commands print and how they end."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from scipy.io import savemat

from port.cli import main
from port.data.datasets import DATASETS


def run(*args: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, ['data', *map(str, args)])
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Three frames of a val split, listed."""
    for folder in ('val', 'valannot'):
        (tmp_path / folder).mkdir()
    (tmp_path / 'val.txt').write_text('a\nb\nc\n')
    for name in 'abc':
        Image.new('RGB', (480, 360)).save(tmp_path / f'val/{name}.png')
        Image.new('L', (480, 360), 3).save(tmp_path / f'valannot/{name}.png')
    return tmp_path


def test_check_counts_and_ends_with_1_where_a_count_differs(camvid: Path) -> None:
    output = run('check', 'camvid', '--data', camvid, code=1)
    assert 'val: 3 images, published 101 (DIFFERS), 0 problems' in output
    assert 'another count than published in val' in output


def test_check_of_a_list_without_a_published_count_is_complete(camvid: Path) -> None:
    (camvid / 'val.txt').rename(camvid / 'mine.txt')
    for folder in ('val', 'valannot'):
        (camvid / folder).rename(camvid / folder.replace('val', 'mine'))
    assert run('check', 'camvid', '--data', camvid, '--split', 'mine').endswith('complete\n')


def test_check_says_which_published_lists_it_did_not_find(camvid: Path) -> None:
    output = run('check', 'camvid', '--data', camvid, code=1)
    assert 'test: no list here, not checked; published 233' in output


def test_check_names_each_problem_once(camvid: Path) -> None:
    (camvid / 'val/b.png').write_bytes(b'nothing')
    Image.new('L', (480, 360), 12).save(camvid / 'valannot/c.png')
    output = run('check', 'camvid', '--data', camvid, code=1)
    assert output.count('/val/b.png: ') == 1 and 'label 12 at x=0, y=0' in output


@pytest.mark.parametrize(('kinds', 'said'), [
    ((), '; depth, hha: no folder, not checked'), (('depth',), '; hha: no folder, not checked'),
    (('depth', 'hha'), '')])
def test_check_of_nyud_says_what_it_did_not_look_at(kinds: tuple[str, ...], said: str,
                                                   tmp_path: Path) -> None:
    for folder in ('images', *kinds):
        (tmp_path / 'data' / folder).mkdir(parents=True)
        Image.new('L' if folder == 'depth' else 'RGB', (3, 2), 9 if folder == 'depth' else 0).save(
            tmp_path / 'data' / folder / 'img_5001.png')
    (tmp_path / 'segmentation').mkdir()
    savemat(tmp_path / 'segmentation/img_5001.mat', {'segmentation': np.ones((2, 3), np.uint8)})
    (tmp_path / 'mine.txt').write_text('5001\n')
    output = run('check', 'nyud', '--data', tmp_path, '--split', 'mine')
    assert output == f'mine: 1 images, 0 problems\nnyud: complete{said}\n'
    (tmp_path / 'mine.txt').write_text('5002\n')
    output = run('check', 'nyud', '--data', tmp_path, '--split', 'mine', code=1)
    assert f'nyud: 1 problem(s){said}; `fcn data layout nyud`' in output


@pytest.mark.parametrize('name', DATASETS)
def test_layout_shows_tree_counts_and_origin(name: str) -> None:
    output = run('layout', name)
    assert 'Images:' in output and 'Origin:' in output
    assert '.txt' in output or name == 'cityscapes'         # whose split is its folders


def test_layout_of_all() -> None:
    assert all(name in run('layout') for name in DATASETS)


def test_an_unknown_dataset_is_one_line(camvid: Path) -> None:
    result = CliRunner().invoke(main, ['data', 'check', 'camvit', '--data', str(camvid)])
    assert result.exit_code == 2 and "did you mean 'camvid'" in result.output
    assert result.output.count('\n') == 1


def test_colours_by_a_users_table(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    pixels = np.array([[(1, 2, 3), (9, 9, 9)]], np.uint8)
    Image.fromarray(pixels).save(tmp_path / 'in/a_L.png')
    (tmp_path / 't.txt').write_text('1 2 3 road\n9 9 9 sky\n')
    output = run('colours', tmp_path / 't.txt', tmp_path / 'in', tmp_path / 'out',
                 '--label-suffix', '_L')
    with Image.open(tmp_path / 'out/a.png') as image:
        assert np.asarray(image).tolist() == [[0, 1]]
    assert 'road' in output and '50.00 %' in output


def test_colours_of_another_size(tmp_path: Path) -> None:
    (tmp_path / 'in').mkdir()
    Image.new('RGB', (960, 720), (128, 64, 128)).save(tmp_path / 'in/a_L.png')
    args = ('colours', 'camvid', tmp_path / 'in', tmp_path / 'out', '--label-suffix', '_L',
            '--size')
    assert '172,800 pixels  100.00 %' in run(*args, '360x480')
    with Image.open(tmp_path / 'out/a.png') as image:
        assert image.size == (480, 360)
    for size in ('480', '0x360', '480x', 'x', '480x360x3', '-4x3', '1000000x2'):
        assert 'expected HEIGHTxWIDTH, such as 375x500' in run(*args, size, code=2)
    assert '--size 360x480' in run('layout', 'camvid')


def test_width_before_height_is_said(tmp_path: Path) -> None:
    """Earlier versions had it so; a wide picture is not made upright."""
    (tmp_path / 'in').mkdir()
    Image.new('RGB', (960, 720), (128, 64, 128)).save(tmp_path / 'in/a_L.png')
    output = run('colours', 'camvid', tmp_path / 'in', tmp_path / 'out', '--size', '480x360',
                 code=2)
    assert 'a_L.png is 720 high and 960 wide; did you mean 360x480?' in output
    assert not (tmp_path / 'out').exists()


def test_colours_of_a_folder_that_is_not_there(tmp_path: Path) -> None:
    output = run('colours', 'voc', tmp_path / 'nosuch', tmp_path / 'out', code=1)
    assert 'nosuch: no such folder; expected the folder of the colour-coded label' in output


def test_colours_by_a_table_that_is_not_there(tmp_path: Path) -> None:
    assert 'known: voc, camvid, camvid32' in run('colours', 'vok', tmp_path, tmp_path / 'o', code=1)
