"""Data: Datums out of an LMDB, raw, of floats and encoded."""

import io
import sys

import numpy as np
import pytest
from PIL import Image

from netspec.schema.messages import Datum

lmdb = pytest.importorskip('lmdb')


def png(array):
    memory = io.BytesIO()
    Image.fromarray(array).save(memory, 'PNG')
    return memory.getvalue()


@pytest.fixture
def write(tmp_path):
    """write(datums) -> folder of an LMDB with keys in order."""
    def make(datums, name='db'):
        env = lmdb.open(str(tmp_path / name))
        with env.begin(write=True) as writer:
            for i, datum in enumerate(datums):
                writer.put(f'{i:08d}'.encode(), datum.SerializeToString())
        env.close()
        return tmp_path / name
    return make


def text(source, extra='batch_size: 2', transform='', tops=2, backend='LMDB'):
    return (f'type: "Data" data_param {{ source: "{source}" backend: {backend} {extra} }} '
            f'transform_param {{ {transform} }}' + ' top: "t"' * tops)


def raw(i, shape=(2, 3, 4)):
    values = (np.arange(np.prod(shape)) + 30 * i).astype('u1')
    return Datum(channels=shape[0], height=shape[1], width=shape[2], label=i, data=values.tobytes())


def test_raw_datums_in_order(drive, write):
    source = write([raw(i) for i in range(3)])
    driven = drive(text(source, transform='scale: 0.5'), [])
    assert [tuple(t.shape) for t in driven.top] == [(2, 2, 3, 4), (2,)]
    data, label = driven.forward()
    np.testing.assert_array_equal(data[1].reshape(-1), (np.arange(24) + 30) / 2)
    assert label.tolist() == [0, 1]
    assert [driven.forward()[1].tolist() for _ in range(2)] == [[2, 0], [1, 2]]


def test_one_top_and_two_nets_over_one_source(drive, write):
    source = write([raw(0), raw(1)])
    one, two = drive(text(source, tops=1), []), drive(text(source), [])
    np.testing.assert_array_equal(one.forward()[0], two.forward()[0])


def test_floats_and_images(drive, write):
    colors = np.random.RandomState(0).randint(0, 256, (3, 4, 3)).astype('u1')
    grey = colors[:, :, 0]
    db = write([Datum(channels=1, height=1, width=2, float_data=[0.5, -2])], 'floats')
    assert drive(text(db, 'batch_size: 1'), []).forward()[0].tolist() == [[[[0.5, -2]]]]
    db = write([Datum(encoded=True, data=png(colors), label=4)], 'colors')
    data, label = drive(text(db, 'batch_size: 1'), []).forward()
    np.testing.assert_array_equal(data[0], colors[:, :, ::-1].transpose(2, 0, 1))
    assert label == 4
    assert drive(text(db, 'batch_size: 1', 'force_gray: true'), []).forward()[0].shape[1] == 1
    db = write([Datum(encoded=True, data=png(grey))], 'grey')
    assert drive(text(db, 'batch_size: 1'), []).forward()[0].shape[1] == 1
    assert drive(text(db, 'batch_size: 1', 'force_color: true'), []).forward()[0].shape[1] == 3


def test_batches_of_one_may_change_size(drive, write):
    driven = drive(text(write([raw(0), raw(1, (1, 5, 2))]), 'batch_size: 1'), [])
    assert [driven.forward()[0].shape for _ in range(2)] == [(1, 2, 3, 4), (1, 1, 5, 2)]


def test_state_continues(drive, write):
    spec = text(write([raw(i) for i in range(5)]))
    driven, other = drive(spec, []), drive(spec, [])
    driven.forward()
    other.layer.restore(driven.layer.state())
    assert other.forward()[1].tolist() == driven.forward()[1].tolist() == [2, 3]


def test_refusals(drive, write, tmp_path, monkeypatch):
    good = write([raw(0)])
    with pytest.raises(ValueError, match='expected backend: LMDB'):
        drive(text(good, backend='LEVELDB'), [])
    with pytest.raises(FileNotFoundError, match='expected a folder with a data.mdb'):
        drive(text(tmp_path / 'absent'), [])
    with pytest.raises(ValueError, match='batch_size is 0'):
        drive(text(good, ''), [])
    with pytest.raises(ValueError, match='both force_color and force_gray'):
        drive(text(good, transform='force_color: true force_gray: true'), [])
    with pytest.raises(ValueError, match="key '00000000': not a readable Datum: it holds 1 values"):
        drive(text(write([Datum(channels=2, height=1, width=1, data=b'1')], 'bad')), [])
    with pytest.raises(ValueError, match='the LMDB is empty'):
        drive(text(write([], 'empty')), [])
    monkeypatch.setitem(sys.modules, 'lmdb', None)
    with pytest.raises(ValueError, match='pip install lmdb'):
        drive(text(good), [])
