"""port.data.survey: what is wrong with a user's labels is found before anything is written."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data import survey as own

CLASSES = ('road', 'car', 'sky')


def save(folder: Path, name: str, label: list[list[int]], size: tuple[int, int] = (3, 2)) -> None:
    """Write an image of (10, 20, 30) and a label of the same name."""
    for part in ('img', 'lab'):
        (folder / part).mkdir(exist_ok=True)
    Image.new('RGB', size, (10, 20, 30)).save(folder / f'img/{name}.png')
    Image.fromarray(np.array(label, np.uint8)).save(folder / f'lab/{name}.png')


def look(folder: Path, classes: tuple[str, ...] = CLASSES, ignore: int = 255) -> own.Survey:
    pairs, alone = own.pair_up(folder / 'img', folder / 'lab')
    assert alone.lines() == []
    return own.survey(pairs, classes, ignore)


def test_counts_mean_and_size(tmp_path: Path) -> None:
    save(tmp_path, 'a', [[0, 1, 2], [0, 0, 255]])
    save(tmp_path, 'b', [[2, 2, 2], [2, 2, 2]])
    found = look(tmp_path)
    assert found.problems == [] and found.names == ['a', 'b']
    assert found.counts(['a'])[[0, 1, 2, 255]].tolist() == [3, 1, 1, 1]
    assert found.counts(['a', 'b']).sum() == 12
    assert found.mean(['a', 'b']) == (30, 20, 10) and found.image_pixels == 6


@pytest.mark.parametrize(('label', 'words'), [
    ([[0, 1, 2], [0, 0, 9]], 'label 9 at x=2, y=1 is outside the classes; expected 0..2'),
    ([[0, 1], [0, 1]], 'is 2x2 but'), ([[[9, 9, 9]] * 3] * 2, 'has colours')])
def test_each_wrong_label_is_one_line(tmp_path: Path, label: list, words: str) -> None:
    save(tmp_path, 'a', label)
    save(tmp_path, 'b', [[0, 1, 2]] * 2)
    (line,) = look(tmp_path).problems
    assert words in line and 'lab/a.png' in line and '\n' not in line


def test_masks_of_0_and_255_are_explained(tmp_path: Path) -> None:
    save(tmp_path, 'a', [[0, 255, 0]] * 2)
    (line,) = look(tmp_path, ('ground', 'car')).problems
    assert 'masks of 0 and 255' in line
    (line,) = look(tmp_path, ('ground', 'car'), ignore=7).problems
    assert 'label 255' in line and 'a mask of 0 and 255' in line


def test_names_that_do_not_match_are_lines(tmp_path: Path) -> None:
    save(tmp_path, 'a', [[0, 1, 2]] * 2)
    save(tmp_path, 'b', [[0, 1, 2]] * 2)
    (tmp_path / 'lab/b.png').rename(tmp_path / 'lab/c.png')
    pairs, alone = own.pair_up(tmp_path / 'img', tmp_path / 'lab')
    assert [name for name, _, _ in pairs] == ['a']
    first, second = alone.lines()
    assert 'no label b.png' in first and 'no image c' in second
    (tmp_path / 'lab/a.png').rename(tmp_path / 'lab/a_L.png')
    (tmp_path / 'lab/c.png').rename(tmp_path / 'lab/b_L.png')
    with pytest.raises(ValueError, match="'a' and 'a_L'.*--label-suffix"):
        own.pair_up(tmp_path / 'img', tmp_path / 'lab')
    assert len(own.pair_up(tmp_path / 'img', tmp_path / 'lab', '_L')[0]) == 2


def test_two_files_of_one_name_are_a_line(tmp_path: Path) -> None:
    for name in 'abc':
        save(tmp_path, name, [[0, 1, 2]] * 2)
    Image.new('RGB', (3, 2)).save(tmp_path / 'img/a.jpg')
    Image.new('L', (3, 2)).save(tmp_path / 'lab/b.bmp')
    pairs, problems = own.pair_up(tmp_path / 'img', tmp_path / 'lab')
    assert len(pairs) == 3 and problems.lines() == [
        f'{tmp_path}/img/a.jpg and {tmp_path}/img/a.png: images of one name; keep one',
        f'{tmp_path}/lab/b.bmp and {tmp_path}/lab/b.png: labels of one name; keep one']


def test_images_and_labels_in_one_folder(tmp_path: Path) -> None:
    for name in ('a', 'a_mask', 'b', 'b_mask'):
        save(tmp_path, name, [[0, 1, 2]] * 2)
    both = tmp_path / 'img'
    pairs, faults = own.pair_up(both, tmp_path / 'lab/../img', '_mask')
    assert not faults.kinds and pairs == [
        (name, both / f'{name}.png', tmp_path / f'lab/../img/{name}_mask.png') for name in 'ab']
    for name in 'ab':
        (both / f'{name}.png').unlink()
    with pytest.raises(FileNotFoundError, match="holds no images beside labels in '_mask'"):
        own.pair_up(both, both, '_mask')
    (both / 'a_mask.png').rename(both / 'a.png')
    Image.new('RGB', (3, 2)).save(both / 'a.jpg')
    assert own.pair_up(both, both)[1].lines() == [
        f'{both}/a.jpg and {both}/a.png: images of one name; labels in the folder of the images '
        'need an ending, as _mask, and --label-suffix']


@pytest.mark.parametrize(('images', 'labels'), [('img', 'img/masks'), ('lab/photos', 'lab'),
                                                ('img', 'img/deep/../masks')])
def test_one_folder_within_the_other(tmp_path: Path, images: str, labels: str) -> None:
    for name in 'ab':
        save(tmp_path, name, [[0, 1, 2]] * 2)
    (tmp_path / 'img/deep').mkdir()
    inner = tmp_path / ('img/masks' if labels != 'lab' else 'lab/photos')
    (tmp_path / ('lab' if labels != 'lab' else 'img')).rename(inner)
    pairs, faults = own.pair_up(tmp_path / images, tmp_path / labels)
    assert not faults.kinds and pairs == [
        (n, tmp_path / images / f'{n}.png', tmp_path / labels / f'{n}.png') for n in 'ab']


def test_empty_and_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no such folder'):
        own.pair_up(tmp_path / 'img', tmp_path)
    with pytest.raises(FileNotFoundError, match='holds no files of the types'):
        own.pair_up(tmp_path, tmp_path)


def test_many_files_with_one_fault_are_one_line_with_their_number(tmp_path: Path) -> None:
    for i in range(59):
        save(tmp_path, f'bad {i}', [[0, 1, 9 + i]] * 2)
    save(tmp_path, 'good', [[0, 1, 2]] * 2)
    save(tmp_path, 'small', [[0, 1]] * 2)
    label, size = look(tmp_path).problems
    assert 'lab/bad 0.png: label 9' in label and label.endswith('(and 58 more with the same fault)')
    assert 'lab/small.png is 2x2 but' in size and 'more' not in size


def test_a_photograph_is_looked_at_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6                                    # Orientation: to be turned to the right
    save(tmp_path, 'upright', [[0, 1], [1, 0], [2, 2]])
    save(tmp_path, 'stored', [[0, 1, 2]] * 2)
    for name in ('upright', 'stored'):
        Image.new('RGB', (3, 2)).save(tmp_path / f'img/{name}.png', exif=exif)
    found = look(tmp_path)
    assert found.names == ['upright'] and len(found.problems) == 1
    assert found.problems[0].endswith('upright, as its camera noted (EXIF): turn the label too')


def test_suffixes_of_both(tmp_path: Path) -> None:
    for name in 'ab':
        save(tmp_path, name, [[0, 1, 2]] * 2)
        (tmp_path / f'img/{name}.png').rename(tmp_path / f'img/{name}_leftImg8bit.png')
        (tmp_path / f'lab/{name}.png').rename(tmp_path / f'lab/{name}_gtFine_labelIds.png')
    (tmp_path / 'lab/a_gtFine_color.png').write_bytes(b'')      # another ending: another kind
    pairs, faults = own.pair_up(tmp_path / 'img', tmp_path / 'lab', '_gtFine_labelIds',
                                '_leftImg8bit')
    assert [name for name, _, _ in pairs] == ['a', 'b'] and not faults.kinds
    with pytest.raises(ValueError, match='--image-suffix _right: no name in .*img ends so; for '
                                         "example 'a_leftImg8bit'"):
        own.pair_up(tmp_path / 'img', tmp_path / 'lab', '', '_right')


def test_the_weights_of_median_frequency(tmp_path: Path) -> None:
    save(tmp_path, 'a', [[0, 0, 0], [0, 0, 1]])
    save(tmp_path, 'b', [[0, 0, 0], [255, 255, 255]])
    found = look(tmp_path)
    frequencies = (8 / 9, 1 / 6)              # 3 of 3 in b, 5 of 6 in a; 1 of 6 in a
    median = sum(frequencies) / 2
    assert found.median_frequency(['a', 'b']) == pytest.approx(
        (median / frequencies[0], median / frequencies[1], 1), rel=1e-3)
