"""HDF5Data: rows in order over files, shuffling, resuming, and what is refused."""

import h5py
import numpy as np
import pytest
import torch


@pytest.fixture
def files(tmp_path):
    """Files of 3 and 4 rows: `data` 2 x 2 holding the row's number, `label` that number."""
    for name, rows in (('a.h5', range(3)), ('b.h5', range(3, 7))):
        with h5py.File(tmp_path / name, 'w') as file:
            file['data'] = np.array([np.full((2, 2), i) for i in rows], 'f8')
            file['label'] = np.array(rows, 'i4')
    (tmp_path / 'list').write_text(f'{tmp_path}/a.h5\n{tmp_path}/b.h5')
    return tmp_path


def text(folder, extra='', tops='top: "data" top: "label"', size=2):
    return (f'type: "HDF5Data" {tops} hdf5_data_param {{ source: "{folder}/list" '
            f'batch_size: {size} {extra} }}')


def rows(driven, passes):
    return [int(v) for _ in range(passes) for v in driven.forward()[1]]


@pytest.mark.parametrize('size', [1, 2, 3, 5, 9])
def test_rows_in_order_over_the_files(drive, files, size):
    driven = drive(text(files, size=size), [])
    assert driven.top[0].shape == (size, 2, 2) and driven.top[1].shape == (size,)
    data, label = driven.forward()
    np.testing.assert_array_equal(data, label[:, None, None] * np.ones((2, 2)))
    want = [i % 7 for i in range(size, 5 * size)]
    assert rows(driven, 4) == want


def test_shuffle_shows_each_row_once_a_turn(drive, files):
    torch.manual_seed(3)
    found = rows(drive(text(files, 'shuffle: true', size=7), []), 3)
    turns = [found[i:i + 7] for i in (0, 7, 14)]
    assert all(sorted(turn) == list(range(7)) for turn in turns)
    assert turns[0] != turns[1] or turns[1] != turns[2]
    assert all(max(t[:3]) < 3 or min(t[:4]) > 2 for t in turns)  # a file at a time


@pytest.mark.parametrize('extra', ['', 'shuffle: true'])
@pytest.mark.parametrize('passes', [0, 1, 2, 5])
def test_state_continues(drive, files, extra, passes):
    driven, other = (drive(text(files, extra, size=3), []) for _ in range(2))
    rows(driven, passes)
    other.layer.restore(driven.layer.state())
    assert rows(other, 6) == rows(driven, 6)
    with pytest.raises(ValueError, match='over 5 HDF5 files but .* names 2'):
        other.layer.restore({**driven.layer.state(), 'files': 5})


def test_refusals(drive, files):
    for spec, said in [(text(files, tops='top: "x"'), "no dataset 'x' .* 'data', 'label'"),
                       (text(files, size=0), 'batch_size is 0'),
                       (text(files) + 'transform_param { scale: 2 }', 'does not transform data')]:
        with pytest.raises(ValueError, match=said):
            drive(spec, [])
    with h5py.File(files / 'b.h5', 'w') as file:
        file['data'], file['label'] = np.zeros((4, 3)), np.zeros(4)
    driven = drive(text(files, size=3), [])
    with pytest.raises(ValueError, match=r'b.h5: the rows of dataset .data. have shape \[3\]'):
        driven.forward()
    with h5py.File(files / 'a.h5', 'w') as file:
        file['data'], file['label'] = np.zeros((3, 2, 2)), np.zeros(2)
    with pytest.raises(ValueError, match="a.h5: dataset 'label' has 2 rows and 'data' 3"):
        drive(text(files), [])
    with h5py.File(files / 'a.h5', 'w') as file:
        file['data'] = ['text']
    with pytest.raises(ValueError, match="dataset '/data' holds object; expected numbers"):
        drive(text(files, tops='top: "data"'), [])
    (files / 'a.h5').write_text('nothing')
    with pytest.raises(ValueError, match='a.h5: cannot be read as HDF5'):
        drive(text(files), [])
    (files / 'list').write_text(' ')
    with pytest.raises(ValueError, match='names no HDF5 file'):
        drive(text(files), [])
    (files / 'list').write_text('absent.h5')
    with pytest.raises(FileNotFoundError, match='absent.h5: no such HDF5 file'):
        drive(text(files), [])
    with pytest.raises(FileNotFoundError, match='no such list of HDF5 files'):
        drive(text(files / 'absent'), [])
