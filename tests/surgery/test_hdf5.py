"""HDF5 weights: Caffe's layout, read and written through h5py itself."""

import os

import numpy as np
import pytest

from surgery.hdf5 import read_hdf5, write_hdf5
from surgery.weight_files import read_weights, write_weights

h5py = pytest.importorskip('h5py')
WEIGHT = np.arange(24, dtype=np.float32).reshape(2, 3, 2, 2)


def test_reads_caffes_layout(tmp_path):
    path = tmp_path / 'm.caffemodel.h5'
    with h5py.File(path, 'w') as file:
        file['data/conv1/0'] = WEIGHT
        file['data/conv1/1'] = np.ones(2, np.float64)
        file['data/inception/3x3/0'] = WEIGHT[0]
        file.create_group('data/relu1')
        file['diff/conv1/0'] = WEIGHT * 0
    weights = read_hdf5(path)
    assert sorted(weights) == ['conv1', 'inception/3x3'] and weights.version == 'HDF5'
    np.testing.assert_array_equal(weights['conv1'][0], WEIGHT)
    assert weights['conv1'][1].dtype == np.float64
    assert weights['inception/3x3'][0].shape == (3, 2, 2)


def test_eleven_blobs_come_in_the_order_of_their_numbers(tmp_path):
    write_hdf5(tmp_path / 'm.h5', {'rnn': [np.full(1, i) for i in range(11)]})
    assert [int(blob[0]) for blob in read_hdf5(tmp_path / 'm.h5')['rnn']] == list(range(11))


def test_a_shared_blob_that_caffe_left_out_reads_as_none(tmp_path):
    write_hdf5(tmp_path / 'm.h5', {'a': [None, WEIGHT], 'shared': [None]})
    weights = read_hdf5(tmp_path / 'm.h5')
    assert weights['a'][0] is None and weights['a'][1].shape == WEIGHT.shape
    assert 'shared' not in weights


def test_writes_what_caffe_reads(tmp_path):
    path = tmp_path / 'm.caffemodel.h5'
    write_hdf5(path, {'conv': [WEIGHT[:, :, ::2], np.float32(1)], 'a/b': [np.ones(2)], 'relu': []},
               diffs={'conv': [WEIGHT]})
    with h5py.File(path) as file:
        np.testing.assert_array_equal(file['data/conv/0'], WEIGHT[:, :, ::2])
        assert file['data/conv/0'].dtype == '<f4' and file['data/a/b/0'].dtype == '<f8'
        assert file['data/conv/1'].shape == () and len(file['data/relu']) == 0
        np.testing.assert_array_equal(file['diff/conv/0'], WEIGHT)


def test_read_weights_goes_by_content_not_by_name(tmp_path):
    write_hdf5(tmp_path / 'm.caffemodel', {'conv': [WEIGHT]})
    np.testing.assert_array_equal(read_weights(tmp_path / 'm.caffemodel')['conv'][0], WEIGHT)


@pytest.mark.parametrize('name,start', [('m.caffemodel.h5', b'\x89HDF'), ('m.caffemodel', b'\xa2')])
def test_write_weights_goes_by_the_name(tmp_path, name, start):
    write_weights(tmp_path / name, {'conv': [WEIGHT]})
    assert (tmp_path / name).read_bytes().startswith(start)
    np.testing.assert_array_equal(read_weights(tmp_path / name)['conv'][0], WEIGHT)


def test_a_cut_file_is_named(tmp_path):
    path = tmp_path / 'm.h5'
    write_hdf5(path, {'conv': [WEIGHT]})
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(ValueError, match='m.h5: truncated or damaged'):
        read_hdf5(path)


def test_hdf5_without_weights_is_named(tmp_path):
    h5py.File(tmp_path / 'm.h5', 'w').close()
    with pytest.raises(ValueError, match='without /data'):
        read_hdf5(tmp_path / 'm.h5')


def test_another_file_is_named(tmp_path):
    (tmp_path / 'm.h5').write_text('layer { }')
    with pytest.raises(ValueError, match='prototxt'):
        read_hdf5(tmp_path / 'm.h5')


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / 'm.h5').write_bytes(b'old')
    with pytest.raises(ValueError):
        write_hdf5(tmp_path / 'm.h5', {'a': [WEIGHT], 'b': [np.array(['text'])]})
    assert (tmp_path / 'm.h5').read_bytes() == b'old' and os.listdir(tmp_path) == ['m.h5']


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match='does not exist'):
        write_hdf5(tmp_path / 'no' / 'm.h5', {})
