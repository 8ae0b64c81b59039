"""port.data.check_dataset: a walk over a dataset that finds every damage once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from port.data.check_dataset import check
from port.data.scenes import draw_dataset
from port.data.siftflow import SCENES


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return draw_dataset(tmp_path / 'd', 6, 3, (24, 32))


def test_a_whole_dataset_has_no_problem_but_another_count(root: Path) -> None:
    reports = check('sbdd', root)
    assert [(r.split, r.count, r.problems) for r in reports] == [('train', 6, []), ('val', 3, [])]
    assert reports[0].line() == 'train: 6 images, published 8,498 (DIFFERS), 0 problems'


def test_every_damage_is_one_line_in_the_order_of_the_list(root: Path) -> None:
    voc = root / 'pascal/VOC2011'
    (voc / 'JPEGImages/train_000000.jpg').unlink()
    (voc / 'JPEGImages/train_000001.jpg').write_bytes(b'\xff\xd8 cut')
    Image.new('L', (5, 5)).save(voc / 'SegmentationClass/train_000002.png')
    label = Image.fromarray(np.full((24, 32), 77, np.uint8))
    label.save(voc / 'SegmentationClass/train_000003.png')
    Image.new('RGB', (32, 24)).save(voc / 'SegmentationClass/train_000004.png')
    (report,) = check('voc2011', root, ('train',))
    said = ('no such image', 'cannot be read', 'is 5x5 but', 'label 77 at x=0, y=0', 'has colours')
    assert len(report.problems) == 5
    for i, (line, words) in enumerate(zip(report.problems, said, strict=True)):
        assert words in line and '\n' not in line
        assert f'train_00000{i}' in line and f'train.txt:{i + 1})' in line


def test_a_damaged_struct_is_found(root: Path) -> None:
    scipy.io.savemat(root / 'sbdd/dataset/cls/val_000001.mat', {'GTcls': {'Segmentation': 9.5}})
    (report,) = check('sbdd', root, ('val',))
    assert len(report.problems) == 1 and 'val_000001.mat: label 9.5' in report.problems[0]


def test_a_name_twice_in_a_list_is_one_line(root: Path) -> None:
    sbdd = root / 'sbdd/dataset'
    names = [f'train_00000{i}' for i in (0, 1, 0, 2, 1, 0)]
    (sbdd / 'train.txt').write_text('\n'.join(names))
    (sbdd / 'img/train_000001.jpg').unlink()
    (report,) = check('sbdd', root, ('train',))
    first, second = report.problems
    assert report.count == 6
    assert first == f"'train_000000' stands in {sbdd}/train.txt:1 and again in line 3, 6"
    assert 'train_000001.jpg: no such image' in second
    assert second.endswith(f"; 'train_000001' stands in {sbdd}/train.txt:2 and again in line 5")


def test_a_size_that_is_not_the_published_is_a_line(tmp_path: Path) -> None:
    for folder, mode in (('mine', 'RGB'), ('mineannot', 'L')):
        (tmp_path / folder).mkdir()
        for name, size in (('a', (480, 360)), ('b', (960, 720))):
            Image.new(mode, size).save(tmp_path / folder / f'{name}.png')
    (tmp_path / 'mine.txt').write_text('a\nb\n')
    (report,) = check('camvid', tmp_path, ('mine',))
    assert report.problems == [f'{tmp_path}/mine/b.png: 960x720, expected 480x360 (width x height) '
                               f'(listed in {tmp_path}/mine.txt:2)']


def test_the_size_of_siftflow_is_fixed(tmp_path: Path) -> None:
    for folder in ('Images', 'SemanticLabels', 'GeoLabels'):
        (tmp_path / folder / SCENES).mkdir(parents=True)
    Image.new('RGB', (256, 255)).save(tmp_path / 'Images' / SCENES / 'x.jpg')
    for kind in ('SemanticLabels', 'GeoLabels'):
        scipy.io.savemat(tmp_path / kind / SCENES / 'x.mat', {'S': np.ones((255, 256))})
    (tmp_path / 'test.txt').write_text('x\n')
    (report,) = check('siftflow', tmp_path, ('test',))
    assert len(report.problems) == 1 and 'x.jpg: 256x255, expected 256x256' in report.problems[0]


def test_lists_that_are_not_there_matter_only_where_asked_for(root: Path) -> None:
    (root / 'sbdd/dataset/val.txt').unlink()
    train, val = check('sbdd', root)
    assert not train.skipped and val.skipped and val.right_count and not val.problems
    assert val.line() == 'val: no list here, not checked; published 2,857'
    (report,) = check('sbdd', root, ('val',))
    assert report.count == 0 and 'val.txt: no such split file' in report.problems[0]
    assert all('no such' in r.problems[0] for r in check('nyud', root))
    with pytest.raises(FileNotFoundError, match='nowhere: no such folder'):
        check('nyud', root / 'nowhere')


def test_context_reports_its_missing_label_list(tmp_path: Path) -> None:
    reports = check('pascalcontext', tmp_path)
    assert [r.split for r in reports] == ['train', 'val']
    assert 'labels.txt: no such label list' in reports[0].problems[0]


def test_context_reports_ids_that_its_list_lacks(tmp_path: Path) -> None:
    voc, context = tmp_path / 'pascal/VOC2010', tmp_path / 'pascal-context'
    for folder in (voc / 'JPEGImages', voc / 'ImageSets/Main', context / 'trainval'):
        folder.mkdir(parents=True)
    (voc / 'ImageSets/Main/mine.txt').write_text('good\nbad\n')
    (context / 'labels.txt').write_text('1: wall\n5: wood\n9: wood\n70000: far\n')
    (context / '59_labels.txt').write_text('1: wood\n')
    for name, label in (('good', [[0, 1], [5, 9]]), ('bad', [[0, 60000], [3, 9]])):
        Image.new('RGB', (2, 2)).save(voc / f'JPEGImages/{name}.jpg')
        scipy.io.savemat(context / f'trainval/{name}.mat',
                         {'LabelMap': np.array(label, np.uint16)})
    (report,) = check('pascalcontext', tmp_path, ('mine',))
    (line,) = report.problems
    assert 'bad.mat: label 60000 at x=1, y=0 is outside the classes; expected' in line
    assert 'labels.txt (2 such pixels)' in line


def test_progress_sees_the_walk(root: Path) -> None:
    seen = []

    def bar(split: str, count: int, walk: Iterator) -> Iterator:
        seen.append((split, count))
        yield from walk

    check('sbdd', root, progress=bar)
    assert seen == [('train', 6), ('val', 3)]
