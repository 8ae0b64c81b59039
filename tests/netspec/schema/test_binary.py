"""Weights, states, means and records in binary; files that are cut off or of another kind."""

import numpy as np
import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec.schema import binary
from netspec.schema.binary import (
    read_blob,
    read_datum,
    read_net_binary,
    read_solverstate,
    write_binary,
    write_blob,
    write_solverstate,
)
from netspec.schema.blobs import array_blob, blob_array
from netspec.schema.messages import (
    BlobProto,
    ClipParameter,
    Datum,
    LayerParameter,
    NetParameter,
    SolverState,
    V1LayerParameter,
)

ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def model() -> NetParameter:
    """A net of two layers with weights."""
    net = NetParameter(name='net')
    for name in ('conv1', 'conv2'):
        net.layer.add(name=name, type='Convolution').blobs.append(array_blob(ONES))
    return net


READERS = {'.caffemodel': read_net_binary, '.solverstate': read_solverstate,
           '.binaryproto': read_blob, 'Datum': read_datum}


def test_a_net_is_written_and_read(tmp_path, model):
    write_binary(tmp_path / 'a.caffemodel', model)
    assert read_net_binary(tmp_path / 'a.caffemodel') == model


def test_a_solverstate_is_written_and_read(tmp_path):
    state = SolverState(iter=7, learned_net='a.caffemodel', current_step=2, fcn_state=b'{}',
                        history=[array_blob(ONES)])
    write_solverstate(tmp_path / 'a.solverstate', state)
    assert read_solverstate(str(tmp_path / 'a.solverstate')) == state


def test_a_mean_and_a_datum_are_written_and_read(tmp_path):
    write_blob(tmp_path / 'mean.binaryproto', array_blob(ONES))
    np.testing.assert_array_equal(blob_array(read_blob(tmp_path / 'mean.binaryproto')), ONES)
    datum = Datum(channels=1, height=1, width=2, data=b'\x00\xff', label=3)
    write_binary(tmp_path / 'datum', datum)
    assert read_datum(tmp_path / 'datum') == datum


def _with_unknown(message: Message, field: bytes) -> bytes:
    return message.SerializeToString() + field


def test_unknown_fields_survive_a_read_and_a_write(tmp_path, model):
    """A fork's field 8002 in the net and in a layer (wire type 2, then 0)."""
    layer = LayerParameter.FromString(_with_unknown(model.layer[0], b'\x92\xf4\x03\x02ab'))
    model.layer[0].CopyFrom(layer)
    raw = _with_unknown(model, b'\x90\xf4\x03\x05')
    (tmp_path / 'a').write_bytes(raw)
    write_binary(tmp_path / 'b', read_net_binary(tmp_path / 'a'))
    assert sorted((tmp_path / 'b').read_bytes()) == sorted(raw)
    assert b'\x92\xf4\x03\x02ab' in (tmp_path / 'b').read_bytes()
    assert read_net_binary(tmp_path / 'b') == read_net_binary(tmp_path / 'a')


def test_an_old_net_is_upgraded_with_its_blobs(tmp_path):
    old = NetParameter(input=['data'])
    old.layers.add(name='c', type=V1LayerParameter.CONVOLUTION, blobs_lr=[1, 2]).blobs.add(
        num=1, channels=1, height=2, width=3, data=range(6))
    write_binary(tmp_path / 'old', old)
    new = read_net_binary(tmp_path / 'old')
    assert not new.input and not new.layers and new.layer[0].type == 'Convolution'
    assert [param.lr_mult for param in new.layer[0].param] == [1, 2]
    assert blob_array(new.layer[0].blobs[0]).shape == (1, 1, 2, 3)
    assert read_net_binary(tmp_path / 'old', upgrade=False) == old


@pytest.mark.parametrize(('raw', 'part'), [
    (b'', 'the file is empty'), (b'\x89HDF\r\n\x1a\n', 'this is an HDF5 file'),
    (b'PK\x03\x04', 'this is a zip archive'), (b'\x80\x02}q', 'this is a Python pickle'),
    (b'version https://git-lfs.github.com/spec/v1\n', 'a Git LFS pointer: the file itself was not'),
    (b'<!DOCTYPE html>', 'a web page: the download went wrong'),
    (b'name: "net"\n', 'a text file (a prototxt?)')])
@pytest.mark.parametrize('kind', READERS)
def test_foreign_files_are_named(tmp_path, kind, raw, part):
    (tmp_path / 'x').write_bytes(raw)
    with pytest.raises(ValueError) as caught:
        READERS[kind](tmp_path / 'x')
    assert str(caught.value).startswith(f'{tmp_path}/x: ') and part in str(caught.value)
    assert str(caught.value).endswith(f'expected a {kind}')


@pytest.mark.parametrize('kind', READERS)
def test_missing_files_are_named(tmp_path, kind):
    with pytest.raises(FileNotFoundError, match=f'/x: no such {kind}$'):
        READERS[kind](tmp_path / 'x')


def test_a_cut_file_says_where_it_ends(tmp_path, model):
    raw = model.SerializeToString()
    begin = len(NetParameter(name='net', layer=model.layer[:1]).SerializeToString())
    for size in range(begin + 1, len(raw)):
        (tmp_path / 'cut').write_bytes(raw[:size])
        with pytest.raises(ValueError, match=rf'cut off: .* of {size}; fetch or copy the .caffe'):
            read_net_binary(tmp_path / 'cut')
    assert begin and 'field 100 needs' in _message(tmp_path / 'cut')
    assert f'at byte {begin} ' in _message(tmp_path / 'cut')


def _message(path) -> str:
    with pytest.raises(ValueError) as caught:
        read_net_binary(path)
    return str(caught.value)


@pytest.mark.parametrize(('raw', 'part'), [
    (b'\x0b\x00\xff', 'wire type 3 at byte 0'), (b'\xa2\x06\x02\x0a\x05', 'within its 1 fields')])
def test_a_damaged_file_says_so(tmp_path, raw, part):
    (tmp_path / 'x').write_bytes(raw)
    assert 'no .caffemodel, or a damaged one' in _message(tmp_path / 'x')
    assert part in _message(tmp_path / 'x')


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_damage_anywhere_is_a_value_error_or_harmless(tmp_path_factory, data):
    raw = bytearray(NetParameter(name='net', layer=[LayerParameter(
        name='c', blobs=[array_blob(ONES)])]).SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / 'damaged'
    path.write_bytes(raw[:data.draw(st.integers(0, len(raw)))])
    for reader in READERS.values():
        try:
            assert isinstance(reader(path), Message)
        except ValueError as error:
            assert str(error).startswith(f'{path}: ')


def test_files_of_each_kind_are_not_taken_for_another(tmp_path, model):
    write_binary(tmp_path / 'model', model)
    write_binary(tmp_path / 'state', SolverState(iter=1, history=[array_blob(ONES)]))
    write_binary(tmp_path / 'mean', array_blob(ONES))
    assert 'no layers in it; expected a .caffemodel' in _message(tmp_path / 'state')
    assert 'no layers in it' in _message(tmp_path / 'mean')
    with pytest.raises(ValueError, match='no iteration number in it; expected a .solverstate'):
        read_solverstate(tmp_path / 'model')
    with pytest.raises(ValueError, match='no numbers in it; expected a .binaryproto'):
        read_blob(tmp_path / 'model')
    assert isinstance(read_blob(tmp_path / 'mean'), BlobProto)


def test_a_file_beyond_protobufs_limit_is_not_even_read(tmp_path):
    with (tmp_path / 'x').open('wb') as file:
        file.truncate(2 ** 31)
    with pytest.raises(ValueError, match='2147483648 bytes; expected a .caffemodel'):
        read_net_binary(tmp_path / 'x')


def test_a_message_without_its_required_fields_is_not_written(tmp_path):
    with pytest.raises(ValueError, match=r'x: not written: .*clip_param.max'):
        write_binary(tmp_path / 'x', LayerParameter(clip_param=ClipParameter(min=1)))
    assert not (tmp_path / 'x').exists()


def test_a_message_of_exactly_the_limit_is_written_and_one_byte_more_is_not(tmp_path, monkeypatch):
    """Caffe reads messages of at most INT_MAX bytes (SetTotalBytesLimit in its io.cpp)."""
    assert binary._LARGEST == 2147483647
    blob, path = array_blob(ONES), tmp_path / 'x.binaryproto'
    size = len(blob.SerializeToString())
    monkeypatch.setattr(binary, '_LARGEST', size)
    write_blob(path, blob)
    assert path.stat().st_size == size and np.array_equal(blob_array(read_blob(path)), ONES)
    monkeypatch.setattr(binary, '_LARGEST', size - 1)
    with pytest.raises(ValueError, match=f'not written: {size} bytes; Caffe reads at most '
                                         f'{size - 1}, write HDF5 instead'):
        write_blob(tmp_path / 'y', blob)
    assert not (tmp_path / 'y').exists()
    with pytest.raises(ValueError, match=f'{size} bytes; expected a .binaryproto, and protobuf'):
        read_blob(path)


@pytest.mark.parametrize(('diff', 'double'), [(False, False), (True, False), (False, True),
                                              (True, True)])
def test_a_blob_of_any_one_kind_of_numbers_is_read(tmp_path, diff, double):
    """data, diff, double_data or double_diff: one of them is enough."""
    blob = BlobProto(**{('double_' if double else '') + ('diff' if diff else 'data'): [1, 2]})
    blob.shape.dim.append(2)
    write_blob(tmp_path / 'x', blob)
    assert blob_array(read_blob(tmp_path / 'x'), diff).tolist() == [1, 2]
