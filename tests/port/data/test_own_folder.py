"""port.data.own_folder: how images are dealt into lists, and what is written of them."""

from pathlib import Path

import numpy as np
import pytest

from port.data import own_folder
from port.data.survey import Survey


def test_the_split_is_seeded_and_leaves_each_part_one() -> None:
    names = [f'{i:02d}' for i in range(10)]
    parts = own_folder.split(names, 1, 0.3)
    assert sorted(parts['train'] + parts['val']) == names and len(parts['val']) == 3
    assert own_folder.split(names[::-1], 1, 0.3) == parts != own_folder.split(names, 2, 0.3)
    assert [len(part) for part in own_folder.split(['a', 'b'], 1, 0.01).values()] == [1, 1]
    assert len(own_folder.split(names, 1)['val']) == 2
    with pytest.raises(ValueError, match='at least 2'):
        own_folder.split(['a'], 1, 0.5)
    with pytest.raises(ValueError, match='between 0 and 1'):
        own_folder.split(names, 1, 20)


def test_folders_called_train_and_val_are_the_lists() -> None:
    names = ['train/x/a', 'Train/b', 'val/c', 'test/d']
    assert own_folder.split(names, 1) == {
        'train': ['Train/b', 'train/x/a'], 'val': ['val/c'], 'test': ['test/d']}
    assert len(own_folder.split(names, 1, 0.5)['val']) == 2           # a share was asked for
    assert 'test' not in own_folder.split([*names, 'more/e'], 1)       # not all lie in such
    parts = own_folder.split(['train/a', 'train/b', 'test/c'], 1)     # the test list stays whole
    assert [len(parts[part]) for part in ('train', 'val', 'test')] == [1, 1, 1]


def test_folders_that_are_named_are_val() -> None:
    names = ['aachen/a', 'bochum/b', 'ulm/c', 'ulm/deep/d']
    assert own_folder.split(names, 1, None, ['ulm/']) == {
        'train': ['aachen/a', 'bochum/b'], 'val': ['ulm/c', 'ulm/deep/d']}
    with pytest.raises(ValueError, match='--val-folder ul: no pair lies in that folder; there are '
                                         'aachen, bochum, ulm, ulm/deep'):
        own_folder.split(names, 1, None, ['ul'])
    with pytest.raises(ValueError, match='nothing is left to train on'):
        own_folder.split(names[2:], 1, None, ['ulm'])


def test_absent_classes_are_said() -> None:
    pixels = {'a': np.bincount([0, 0], minlength=256), 'b': np.bincount([0, 1, 2], minlength=256)}
    found = Survey(('road', 'car', 'sky'), 255, ['a', 'b'], pixels=pixels)
    assert own_folder.absent(found, {'train': ['a'], 'val': ['b']}) == [
        'train: no pixel of car, sky; such a class cannot be learnt']


def test_labels_are_not_written_over(tmp_path: Path) -> None:
    for labels in (tmp_path / 'labels', tmp_path / 'labels' / 'train'):
        with pytest.raises(ValueError, match='name another --out'):
            own_folder.check_labels_place(tmp_path / 'labels', labels)
    own_folder.check_labels_place(tmp_path / 'my' / 'labels', tmp_path / 'labels')
