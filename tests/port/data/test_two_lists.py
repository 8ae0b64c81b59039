"""port.data.two_lists: what is counted of two lists, on pictures drawn here."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from port.data.two_lists import compare_lists, open_list, shared_names, side_by_side

HALF = np.zeros((4, 6), np.uint8)
HALF[2:] = 3                                  # road below, sky above
HALF[0, 0] = 11


@pytest.fixture
def camvid(tmp_path: Path) -> Path:
    """Two training frames, a grey and a white one, and one of each split that is listed twice."""
    frames = {'train': {'a': (100, HALF), 'both': (100, HALF)},
              'val': {'b': (250, np.full((4, 6), 8, np.uint8)), 'both': (50, HALF)}}
    for split, pairs in frames.items():
        (tmp_path / split).mkdir()
        (tmp_path / f'{split}annot').mkdir()
        for name, (grey, label) in pairs.items():
            Image.fromarray(np.full((4, 6, 3), grey, np.uint8)).save(
                tmp_path / split / f'{name}.png')
            Image.fromarray(label).save(tmp_path / f'{split}annot' / f'{name}.png')
        (tmp_path / f'{split}.txt').write_text('\n'.join(pairs))
    return tmp_path


def test_two_lists_side_by_side(camvid: Path) -> None:
    train, val = compare_lists('camvid:train', 'camvid:val', camvid)
    assert train.pixels[0] == 22 and train.pixels[3] == 24 and train.void == 2
    assert train.frames[0] == 2 and val.frames[8] == 1 and val.pixels[8] == 24
    assert val.shares[8] == pytest.approx(24 / (24 + 23))
    assert train.brightness == pytest.approx([100, 100]) and train.spread()[1] == pytest.approx(100)
    assert val.brightness == pytest.approx([250, 50]) and val.contrast == pytest.approx([0, 0])
    assert train.sizes == {'6x4': 2} and shared_names(train, val) == ['both']
    found = val.as_dict()
    assert found['images'] == 2 and found['void'] == pytest.approx(1 / 48)
    assert found['classes'][8] == {'class': 'Car', 'share': pytest.approx(24 / 47), 'frames': 1}
    rows = {line.split('  ')[0].strip(): line.split() for line in
            side_by_side(train, val).splitlines()}
    assert rows['Car'][1:] == ['0.00', '51.06', '-', '0%', '50%']
    assert rows['Sky'][1:4] == ['47.83', '23.40', '0.49'] and rows['in both'][-1] == '1'


@pytest.mark.parametrize(('given', 'kind', 'words'), [
    ('camvid', ValueError, 'DATASET:LIST'), ('camvd:val', KeyError, "did you mean 'camvid'"),
    ('camvid:test', FileNotFoundError, r'test\.txt')])
def test_what_is_no_list_is_named(camvid: Path, given: str, kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        open_list(given, camvid)


def test_lists_of_different_classes_are_refused(camvid: Path, tmp_path: Path) -> None:
    (tmp_path / 'ImageSets/Segmentation').mkdir(parents=True)
    (tmp_path / 'ImageSets/Segmentation/val.txt').write_text('a\n')
    with pytest.raises(ValueError, match='different classes'):
        compare_lists('camvid:val', 'voc2011:val', camvid)
