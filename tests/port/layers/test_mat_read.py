"""MatRead gives what MatWrite left, around and around, and goes on after a restore; no gradient."""

import numpy as np
import pytest
from scipy.io import savemat

from port.layers.bases.mat_blobs import write_mat


def text(folder, options: str, tops: int = 1, prefetch: int = 2) -> str:
    return ('type: "MatRead"'
            + ''.join(f' top: "t{i}"' for i in range(tops))
            + f' mat_read_param {{ prefix: "{folder}/" {options} }}'
            + f' data_param {{ prefetch: {prefetch} }}')


@pytest.fixture
def blobs(tmp_path) -> dict[str, np.ndarray]:
    """Three items of two blobs each, with a list of their names."""
    draw = np.random.RandomState(0)
    found = {f'{name}_blob_{i}': draw.standard_normal((1, *shape)).astype('f')
             for name in 'abc' for i, shape in enumerate([(3, 4, 5), (2, 1, 1)])}
    for name, blob in found.items():
        write_mat(str(tmp_path / f'{name}.mat'), blob)
    (tmp_path / 'list').write_text('a.png\nb.png\nc.png\n')
    return found


@pytest.mark.parametrize('prefetch', [0, 3])
def test_batches_follow_the_list_around(drive, tmp_path, blobs, prefetch):
    options = f'source: "{tmp_path}/list" strip: 4 batch_size: 2'
    driven = drive(text(tmp_path, options, 2, prefetch), [])
    assert [t.shape for t in driven.top] == [(2, 3, 4, 5), (2, 2, 1, 1)]
    for pair in ('ab', 'ca', 'bc'):
        for i, array in enumerate(driven.forward()):
            want = np.concatenate([blobs[f'{name}_blob_{i}'] for name in pair])
            assert np.array_equal(array, want)


def test_state_goes_on(drive, tmp_path, blobs):
    options = f'source: "{tmp_path}/list" strip: 4'
    driven = drive(text(tmp_path, options), [])
    driven.forward()
    other = drive(text(tmp_path, options), [])
    other.layer.restore(driven.layer.state())
    assert np.array_equal(other.forward()[0], blobs['b_blob_0'])


def test_without_a_list_files_are_numbered(drive, tmp_path):
    for i in range(3):
        write_mat(str(tmp_path / f'iter_{i}_blob_0.mat'), np.full((1, 2, 1, 1), i, 'f'))
    driven = drive(text(tmp_path, '', prefetch=0), [])
    assert [driven.forward()[0].ravel().tolist() for _ in range(3)] == [[0, 0], [1, 1], [2, 2]]


def test_refusals_and_no_gradient(drive, tmp_path, blobs):
    driven = drive(text(tmp_path, f'source: "{tmp_path}/list" strip: 4'), [])
    assert driven.layer.backward(driven.top, [], []) is None      # nothing below to give it to
    with pytest.raises(FileNotFoundError, match='iter_0_blob_0.mat: no such MATLAB file'):
        drive(text(tmp_path, ''), [])
    savemat(tmp_path / 'iter_0_blob_0.mat', {'other': 1})
    with pytest.raises(ValueError, match="holds no variable 'data'"):
        drive(text(tmp_path, ''), [])
    write_mat(str(tmp_path / 'iter_0_blob_0.mat'), np.zeros((2, 1, 1, 1)))
    with pytest.raises(ValueError, match='holds 2 items; expected 1'):
        drive(text(tmp_path, ''), [])
    with pytest.raises(ValueError, match='batch_size is 0'):
        drive(text(tmp_path, 'batch_size: 0'), [])
    write_mat(str(tmp_path / 'b_blob_0.mat'), np.zeros((1, 3, 4, 6)))
    with pytest.raises(ValueError, match='the items of a batch must have one size'):
        drive(text(tmp_path, f'source: "{tmp_path}/list" strip: 4 batch_size: 2'), [])
