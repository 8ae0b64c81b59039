"""MATLAB files: names out of lists, axes there and back, and nothing half-written."""

import numpy as np
import pytest
from scipy.io import savemat

from port.layers.bases.mat_blobs import file_names, read_mat, write_mat


def test_names_are_the_first_words_without_their_ends(tmp_path):
    (tmp_path / 'list').write_text('ab.jpg x\nc.jpg\n\n')
    assert file_names(str(tmp_path / 'list'), 4) == ['ab', 'c']
    assert file_names(str(tmp_path / 'list'), 0) == ['ab.jpg', 'c.jpg']
    with pytest.raises(ValueError, match=r"list:2: 'c.jpg' has 5 characters; expected a name of"):
        file_names(str(tmp_path / 'list'), 5)
    with pytest.raises(ValueError, match='strip is -1'):
        file_names(str(tmp_path / 'list'), -1)
    with pytest.raises(FileNotFoundError, match='no such list of names'):
        file_names(str(tmp_path / 'none'), 0)
    (tmp_path / 'list').write_text('a\n\nb\n')
    with pytest.raises(ValueError, match="list:2: '' has 0"):
        file_names(str(tmp_path / 'list'), 0)
    (tmp_path / 'list').write_text('\n')
    with pytest.raises(ValueError, match='list of names is empty'):
        file_names(str(tmp_path / 'list'), 0)


@pytest.mark.parametrize('shape', [(1, 3, 4, 5), (2, 3, 1, 1), (4, 5), (7,), ()])
def test_there_and_back(tmp_path, shape):
    blob = np.random.RandomState(0).standard_normal(shape).astype('f')
    path = str(tmp_path / 'x_blob_0.mat')
    write_mat(path, blob)
    assert np.array_equal(read_mat(path), blob.reshape(shape + (1,) * (4 - len(shape))))
    assert [p.name for p in tmp_path.iterdir()] == ['x_blob_0.mat']


def test_what_matlab_saves_is_read(tmp_path):
    """Without its axes of 1 at the end, and in whole numbers too."""
    savemat(tmp_path / 'm.mat', {'data': np.arange(6, dtype='u1').reshape(2, 3)})
    assert np.array_equal(read_mat(str(tmp_path / 'm.mat')),
                          np.arange(6).reshape(2, 3).T.reshape(1, 1, 3, 2))


def test_refusals(tmp_path):
    path = tmp_path / 'bad.mat'
    path.write_bytes(b'MATLAB 5.0 MAT-file' + b'\0' * 200)
    with pytest.raises(ValueError, match='bad.mat: cannot be read as a MATLAB file'):
        read_mat(str(path))
    savemat(path, {'data': 'text'})
    with pytest.raises(ValueError, match='bad.mat: cannot be read as a MATLAB file'):
        read_mat(str(path))
    savemat(path, {'data': np.zeros((1, 1, 1, 1, 2))})
    with pytest.raises(ValueError, match='expected up to 4 axes'):
        read_mat(str(path))
