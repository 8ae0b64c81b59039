"""Blobs to arrays and back, against protobuf's own repeated fields."""

import numpy as np
import pytest

from netspec.schema.blobs import array_blob, blob_array, blob_parts, blob_shape, fill_blob
from netspec.schema.messages import BlobProto, BlobProtoVector

RAMP = np.arange(6, dtype=np.float32).reshape(1, 2, 3)


@pytest.mark.parametrize('shape', [(1, 2, 3), (6,), (), (0,), (2, 0, 3), (1, 300)])
def test_an_array_becomes_a_blob_and_an_array_again(shape):
    array = np.random.RandomState(1).standard_normal(shape)
    array = np.asarray(array, np.float32)
    blob = array_blob(array)
    assert list(blob.data) == list(array.ravel()) and tuple(blob.shape.dim) == shape
    assert not blob.HasField('num') and blob.HasField('shape')
    back = blob_array(blob)
    assert back.shape == shape and back.dtype == np.float32
    np.testing.assert_array_equal(back, array)
    assert back.flags.writeable


def test_the_bytes_are_those_that_protobuf_writes():
    ours = b''.join(blob_parts(RAMP, RAMP + 1))
    theirs = BlobProto(data=RAMP.ravel(), diff=RAMP.ravel() + 1, shape={'dim': RAMP.shape})
    assert ours == theirs.SerializeToString(deterministic=True)


def test_data_and_diff_are_kept_apart():
    blob = array_blob(RAMP, RAMP * 2)
    np.testing.assert_array_equal(blob_array(blob), RAMP)
    np.testing.assert_array_equal(blob_array(blob, diff=True), RAMP * 2)


def test_doubles_are_kept_when_asked_for_and_understood_when_found():
    third = np.array([1 / 3, 2 / 3])
    assert array_blob(third).data[0] == np.float32(1 / 3)
    blob = array_blob(third, -third, double=True)
    assert list(blob.double_data) == list(third) and list(blob.double_diff) == list(-third)
    assert not blob.data
    assert blob_array(blob).dtype == np.float64 and blob_array(blob)[0] == 1 / 3
    assert blob_array(blob, diff=True)[1] == -2 / 3


def test_doubles_come_first_where_a_blob_has_both():
    blob = BlobProto(data=[1, 2], double_data=[3, 4], shape={'dim': [2]})
    assert list(blob_array(blob)) == [3, 4]


def test_legacy_blobs_have_four_dimensions():
    blob = BlobProto(num=1, channels=1, height=2, width=3, data=range(6))
    assert blob_shape(blob) == (1, 1, 2, 3)
    np.testing.assert_array_equal(blob_array(blob), RAMP[None])
    assert blob_shape(BlobProto(width=3)) == (0, 0, 0, 3)
    assert blob_shape(BlobProto(width=3, shape={'dim': [7]})) == (0, 0, 0, 3)  # as Caffe decides


def test_numbers_written_one_by_one_are_read_as_well():
    unpacked = b''.join(b'\x2d' + np.float32(x).tobytes() for x in (1, 2, 3))
    unpacked += b'\x3a\x03\x0a\x01\x03'
    assert list(blob_array(BlobProto.FromString(unpacked))) == [1, 2, 3]


@pytest.mark.parametrize('array', [RAMP.T, RAMP[:, :, ::2], RAMP.astype('>f4'), RAMP.astype(int),
                                   RAMP.astype(np.float16), [[1, 2], [3, 4]]], ids=str)
def test_any_array_is_written_in_its_own_order(array):
    np.testing.assert_array_equal(blob_array(array_blob(array)), np.asarray(array, np.float32))


def test_filling_replaces_all_that_was_there():
    vector = BlobProtoVector()
    blob = vector.blobs.add(num=9, data=[1], diff=[2])
    assert fill_blob(blob, RAMP) is blob
    assert vector.blobs[0] == array_blob(RAMP)


def test_counts_that_contradict_the_shape_are_refused():
    with pytest.raises(ValueError, match=r'a blob of shape \(2, 2\) holds 3 numbers; expected 4'):
        blob_array(BlobProto(data=[1, 2, 3], shape={'dim': [2, 2]}))
    with pytest.raises(ValueError, match=r'the diff has shape \(2,\); expected \(1, 2, 3\)'):
        array_blob(RAMP, np.zeros(2))
    with pytest.raises(ValueError, match='holds 0 numbers; expected 6'):
        blob_array(array_blob(RAMP), diff=True)
