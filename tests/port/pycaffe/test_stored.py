"""Means as .binaryproto and LMDBs of Datums, in and out through port.pycaffe.io."""

import numpy as np
import pytest

from netspec.schema import parse_net, write_binary
from netspec.schema.messages import BlobProto, Datum
from port.engine.net import Net
from port.pycaffe import io, stored

MEAN = np.random.default_rng(0).uniform(0, 255, (3, 4, 5)).astype('f')


def test_means_there_and_back(tmp_path) -> None:
    io.save_mean(tmp_path / 'mean.binaryproto', MEAN)
    assert np.array_equal(io.load_mean(tmp_path / 'mean.binaryproto'), MEAN)
    blob = BlobProto.FromString((tmp_path / 'mean.binaryproto').read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 3, 4, 5)
    assert not blob.HasField('shape')              # as compute_image_mean writes it
    assert np.array_equal(io.blobproto_to_array(blob)[0], MEAN)
    io.save_mean(tmp_path / 'm', [104.0, 117, 123])
    assert io.load_mean(tmp_path / 'm').tolist() == [[[104]], [[117]], [[123]]]


@pytest.mark.parametrize('array', [MEAN, MEAN[None]])
def test_means_of_other_writers(tmp_path, array) -> None:
    write_binary(tmp_path / 'm', io.array_to_blobproto(array))
    assert np.array_equal(io.load_mean(tmp_path / 'm'), MEAN)


def test_what_is_no_mean(tmp_path) -> None:
    write_binary(tmp_path / 'm', io.array_to_blobproto(np.ones((2, 3, 1, 1))))
    with pytest.raises(ValueError, match=r'm: a blob of shape \(2, 3, 1, 1\); expected the mean'):
        io.load_mean(tmp_path / 'm')
    with pytest.raises(ValueError, match=r'a mean of shape \(2, 3\)'):
        io.save_mean(tmp_path / 'n', np.ones((2, 3)))
    (tmp_path / 't').write_text('name: "x"')
    with pytest.raises(ValueError, match='this is a text file'):
        io.load_mean(tmp_path / 't')
    with pytest.raises(FileNotFoundError, match='no such'):
        io.load_mean(tmp_path / 'absent')


def datums(count: int, side: int = 2) -> list[Datum]:
    return [io.array_to_datum(np.full((3, side, side), i, np.uint8), i) for i in range(count)]


def test_lmdbs_there_and_back(tmp_path) -> None:
    pytest.importorskip('lmdb')
    assert io.write_lmdb(tmp_path / 'db', iter(datums(3))) == 3
    read = list(io.read_lmdb(tmp_path / 'db'))
    assert [key for key, _ in read] == ['00000000', '00000001', '00000002']
    assert [datum for _, datum in read] == datums(3)
    assert io.datum_to_array(read[2][1]).tolist() == np.full((3, 2, 2), 2).tolist()
    named = [('b', datums(1)[0]), ('a', datums(2)[1])]
    io.write_lmdb(tmp_path / 'named', named)
    assert [(k, d.label) for k, d in io.read_lmdb(tmp_path / 'named')] == [('a', 1), ('b', 0)]


def test_a_net_reads_what_was_written(tmp_path) -> None:
    pytest.importorskip('lmdb')
    io.write_lmdb(tmp_path / 'db', datums(2))
    io.save_mean(tmp_path / 'mean', np.ones((3, 2, 2)))
    net = Net(parse_net(f'''layer {{ name: "d" type: "Data" top: "x" top: "y"
        data_param {{ source: "{tmp_path / 'db'}" batch_size: 2 backend: LMDB }}
        transform_param {{ mean_file: "{tmp_path / 'mean'}" }} }}'''), 0)
    net.forward()
    assert net.blobs['x'].data[:, 0, 0, 0].tolist() == [-1, 0]
    assert net.blobs['y'].data.tolist() == [0, 1]


def test_a_full_map_grows(tmp_path, monkeypatch) -> None:
    pytest.importorskip('lmdb')
    monkeypatch.setattr(stored, 'MAP_SIZE', 64 << 10)
    monkeypatch.setattr(stored, 'BATCH', 40 << 10)
    assert io.write_lmdb(tmp_path / 'db', datums(40, 64)) == 40
    assert [datum.label for _, datum in io.read_lmdb(tmp_path / 'db')] == list(range(40))


def test_lmdb_refusals(tmp_path, monkeypatch) -> None:
    pytest.importorskip('lmdb')
    with pytest.raises(ValueError, match="key 'a' is given twice"):
        io.write_lmdb(tmp_path / 'db', [('a', Datum()), ('a', Datum())])
    assert list(tmp_path.iterdir()) == []
    (tmp_path / 'db').mkdir()
    with pytest.raises(FileExistsError, match='exists already'):
        io.write_lmdb(tmp_path / 'db', [])
    with pytest.raises(FileNotFoundError, match='make it first'):
        io.write_lmdb(tmp_path / 'no' / 'db', [])
    with pytest.raises(FileNotFoundError, match='no such LMDB'):
        list(io.read_lmdb(tmp_path / 'db'))
    monkeypatch.setitem(__import__('sys').modules, 'lmdb', None)
    with pytest.raises(ValueError, match='pip install lmdb'):
        io.write_lmdb(tmp_path / 'other', [])


def test_a_damaged_record_is_named(tmp_path) -> None:
    lmdb = pytest.importorskip('lmdb')
    with lmdb.open(str(tmp_path / 'db')) as env, env.begin(write=True) as writer:
        writer.put(b'k', b'\x22\xff')
    with pytest.raises(ValueError, match="db, key 'k': no readable Datum"):
        list(io.read_lmdb(tmp_path / 'db'))
