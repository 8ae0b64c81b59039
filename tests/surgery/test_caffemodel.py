"""Weights files, held against protobuf's own reader and writer and against a file by Caffe."""

import os
from pathlib import Path

import numpy as np
import pytest

from netspec.schema import array_blob, blob_array
from netspec.schema.messages import NetParameter, V1LayerParameter
from surgery import caffemodel
from surgery.caffemodel import Weights, read_caffemodel, write_caffemodel

RNG = np.random.default_rng(7)
CONV = RNG.standard_normal((4, 3, 3, 3)).astype(np.float32)
BIAS = RNG.standard_normal(4).astype(np.float32)


def saved(path: Path, net: NetParameter) -> str:
    path.write_bytes(net.SerializeToString())
    return str(path)


def unpacked(number: int, values: np.ndarray) -> bytes:
    """Write a repeated float field the long way: its tag before every value."""
    tag = bytes([number << 3 | (5 if values.itemsize == 4 else 1)])
    return b''.join(tag + value.tobytes() for value in values.ravel())


def layer_of(blob: bytes, name: bytes = b'conv') -> bytes:
    """Wrap a BlobProto's bytes into a net of one V2 layer; all lengths below 16384."""
    def wrapped(tag: bytes, inner: bytes) -> bytes:
        return tag + bytes([len(inner) & 127 | 128, len(inner) >> 7]) + inner
    return wrapped(b'\xa2\x06', wrapped(b'\x0a', name) + wrapped(b'\x3a', blob))


def test_reads_what_caffe_wrote(golden):
    weights = read_caffemodel(golden / 'surgery' / 'sgd_heavy_iter_5.caffemodel')
    recorded = np.load(golden / 'surgery' / 'sgd_heavy_iter_5.npz')
    ours = {f'param:{layer}:{i}': blob for layer, blobs in weights.items()
            for i, blob in enumerate(blobs)}
    assert sorted(ours) == sorted(recorded.files)
    for key, blob in ours.items():
        np.testing.assert_array_equal(blob, recorded[key])
    assert weights.version == 'V2'
    assert weights.types['relu'] == 'ReLU' and 'relu' not in weights
    assert list(weights) == ['conv', 'score', 'upscore']


def test_reads_v1(tmp_path):
    net = NetParameter(name='old')
    fc = net.layers.add(name='fc6', type=V1LayerParameter.INNER_PRODUCT)
    blob = fc.blobs.add(num=1, channels=1, height=2, width=3)
    blob.data.extend([0, 1, 2, 3, 4, 5])
    net.layers.add(name='loss', type=V1LayerParameter.SOFTMAX_LOSS)
    weights = read_caffemodel(saved(tmp_path / 'v1', net))
    assert weights['fc6'][0].shape == (1, 1, 2, 3)
    assert weights['fc6'][0].ravel().tolist() == [0, 1, 2, 3, 4, 5]
    assert weights.types == {'fc6': 'InnerProduct', 'loss': 'SoftmaxWithLoss'}
    assert (weights.version, weights.name) == ('V1', 'old')


def test_reads_v0(tmp_path):
    net = NetParameter()
    layer = net.layers.add().layer
    layer.name, layer.type = 'conv1', 'conv'
    layer.blobs.append(array_blob(CONV))
    layer.blobs.append(array_blob(BIAS))
    weights = read_caffemodel(saved(tmp_path / 'v0', net))
    np.testing.assert_array_equal(weights['conv1'][0], CONV)
    np.testing.assert_array_equal(weights['conv1'][1], BIAS)
    assert weights.types == {'conv1': 'Convolution'} and weights.version == 'V0'


def test_unknown_v1_type_reads_as_empty(tmp_path):
    (tmp_path / 'm').write_bytes(b'\x12\x06\x22\x01x\x28\xe7\x07')
    assert read_caffemodel(tmp_path / 'm').types == {'x': ''}


@pytest.mark.parametrize('number,dtype', [(5, '<f4'), (8, '<f8')])
@pytest.mark.parametrize('count', [1, 2, 15, 16, 17, 500])
def test_reads_unpacked_numbers(tmp_path, number, dtype, count):
    values = RNG.standard_normal(count).astype(dtype)
    raw = unpacked(number, values) + b'\x3a\x04\x0a\x02' + bytes([count & 127 | 128, count >> 7])
    (tmp_path / 'm').write_bytes(layer_of(raw))
    blob = read_caffemodel(tmp_path / 'm')['conv'][0]
    assert blob.dtype == dtype
    np.testing.assert_array_equal(blob, values)
    parsed = NetParameter.FromString((tmp_path / 'm').read_bytes()).layer[0].blobs[0]
    np.testing.assert_array_equal(blob, list(parsed.data) or list(parsed.double_data))


def test_joins_packed_and_unpacked_pieces_in_order(tmp_path):
    a, b, c = (np.arange(3, dtype='<f4') + 10 * i for i in range(3))
    packed = b'\x2a\x0c' + b.tobytes()
    shape = b'\x3a\x03\x0a\x01\x09'
    (tmp_path / 'm').write_bytes(layer_of(unpacked(5, a) + packed + shape + unpacked(5, c)))
    assert read_caffemodel(tmp_path / 'm')['conv'][0].tolist() == [*a, *b, *c]


def test_an_unpacked_shape_is_read(tmp_path):
    blob = b'\x2a\x18' + np.arange(6, dtype='<f4').tobytes() + b'\x3a\x04\x08\x02\x08\x03'
    (tmp_path / 'm').write_bytes(layer_of(blob))
    assert read_caffemodel(tmp_path / 'm')['conv'][0].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_old_dimensions_outrank_a_shape(tmp_path):
    net = NetParameter()
    blob = net.layer.add(name='fc').blobs.add(num=1, channels=1, height=1, width=4)
    blob.data.extend(range(4))
    blob.shape.dim.extend([2, 2])
    assert read_caffemodel(saved(tmp_path / 'm', net))['fc'][0].shape == (1, 1, 1, 4)


def test_later_blobs_of_a_repeated_name_count(tmp_path, caplog):
    net = NetParameter()
    for value in (1, 2):
        net.layer.add(name='fc').blobs.append(array_blob(np.full(3, value, np.float32)))
    net.layer.add(name='fc')
    weights = read_caffemodel(saved(tmp_path / 'm', net))
    assert weights['fc'][0].tolist() == [2, 2, 2]
    assert 'twice' in caplog.text


def test_blobs_may_be_written_to_and_the_file_stays(tmp_path):
    path = tmp_path / 'm.caffemodel'
    write_caffemodel(path, {'conv': [CONV, BIAS]})
    before = path.read_bytes()
    weights = read_caffemodel(path)
    weights['conv'][0][...] = 0
    assert not weights['conv'][0].any() and path.read_bytes() == before


def test_the_numbers_are_not_copied(tmp_path):
    path = tmp_path / 'm.caffemodel'
    write_caffemodel(path, {'fc': [np.zeros((1000, 1000), np.float32)]})
    weights = read_caffemodel(path)
    base = weights['fc'][0]
    while isinstance(base, np.ndarray):
        assert not base.flags.owndata
        base = base.base
    assert isinstance(base, memoryview) and type(base.obj).__name__ == 'mmap'


def test_the_file_may_be_replaced_while_it_is_in_use(tmp_path):
    path = tmp_path / 'm.caffemodel'
    write_caffemodel(path, {'conv': [CONV]})
    weights = read_caffemodel(path)
    write_caffemodel(path, {'conv': [weights['conv'][0] * 2]})
    np.testing.assert_array_equal(weights['conv'][0], CONV)
    np.testing.assert_array_equal(read_caffemodel(path)['conv'][0], CONV * 2)


def test_writes_what_protobuf_reads_byte_for_byte(tmp_path):
    path = tmp_path / 'm.caffemodel'
    layers = {'conv': [CONV, BIAS], 'scalar': [np.float32(3)], 'double': [np.arange(3.)],
              'empty': [np.zeros((0, 2), np.float32)], 'none': [], 'größe': [CONV[:, ::2]]}
    write_caffemodel(path, layers, {'conv': 'Convolution', 'none': 'ReLU'}, 'net')
    net = NetParameter.FromString(path.read_bytes())
    assert net.name == 'net' and [layer.name for layer in net.layer] == list(layers)
    assert net.layer[0].type == 'Convolution' and not net.layer[1].HasField('type')
    for layer in net.layer:
        for ours, blob in zip(layers[layer.name], layer.blobs, strict=True):
            np.testing.assert_array_equal(blob_array(blob), ours)
    assert list(net.layer[2].blobs[0].double_data) == [0, 1, 2]
    assert path.read_bytes() == net.SerializeToString(deterministic=True)


def test_round_trip_is_exact_and_keeps_what_weights_carry(tmp_path):
    values = np.array([np.nan, -0., np.inf, 1e-45, 3.4e38], np.float32)
    weights = Weights({'a': [values]}, {'a': 'Scale', 'relu': 'ReLU'}, name='n')
    write_caffemodel(tmp_path / 'm', weights)
    again = read_caffemodel(tmp_path / 'm')
    assert again['a'][0].tobytes() == values.tobytes()
    assert again.types['a'] == 'Scale' and again.name == 'n'


@pytest.mark.parametrize('dtype', [np.float16, np.int32, '>f4'])
def test_other_numbers_are_written_as_float32(tmp_path, dtype):
    write_caffemodel(tmp_path / 'm', {'a': [np.arange(4).astype(dtype)]})
    blob = read_caffemodel(tmp_path / 'm')['a'][0]
    assert blob.dtype == np.float32 and blob.tolist() == [0, 1, 2, 3]


def test_writes_diffs_beside_the_data(tmp_path):
    write_caffemodel(tmp_path / 'm', {'a': [BIAS]}, diffs={'a': [BIAS * 2]})
    blob = NetParameter.FromString((tmp_path / 'm').read_bytes()).layer[0].blobs[0]
    np.testing.assert_array_equal(blob.diff, BIAS * 2)
    np.testing.assert_array_equal(read_caffemodel(tmp_path / 'm')['a'][0], BIAS)


@pytest.mark.parametrize('blobs,diffs,says', [
    ([None], None, "layer 'a' blob 0"),
    ([BIAS], {'a': [BIAS[:2]]}, r'\(2,\).*\(4,\)'),
])
def test_a_failed_write_leaves_the_old_file(tmp_path, blobs, diffs, says):
    path = tmp_path / 'm.caffemodel'
    path.write_bytes(b'old')
    with pytest.raises(ValueError, match=says):
        write_caffemodel(path, {'first': [CONV], 'a': blobs}, diffs=diffs)
    assert path.read_bytes() == b'old' and os.listdir(tmp_path) == ['m.caffemodel']


def test_every_cut_is_noticed_but_one_between_layers(tmp_path):
    path = tmp_path / 'm'
    write_caffemodel(path, {'conv': [CONV[:1, :1], BIAS], 'fc': [BIAS]})
    raw, whole = path.read_bytes(), read_caffemodel(path)
    unnoticed = []
    for size in range(1, len(raw)):
        path.write_bytes(raw[:size])
        try:
            unnoticed.append((size, list(read_caffemodel(path))))
        except ValueError as error:
            assert str(path) in str(error) and '\n' not in str(error)
    assert [layers for _, layers in unnoticed] == [['conv']] and list(whole) == ['conv', 'fc']


def test_a_cut_file_says_where(tmp_path):
    path = tmp_path / 'm.caffemodel'
    write_caffemodel(path, {'conv': [CONV], 'fc': [BIAS]})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(ValueError, match=r"m\.caffemodel: the file is cut off after layer 'conv'"):
        read_caffemodel(path)


def test_damage_never_raises_anything_else(tmp_path):
    path = tmp_path / 'm'
    write_caffemodel(path, {'conv': [BIAS[:1], BIAS]}, {'conv': 'Convolution'}, 'net')
    raw = path.read_bytes()
    for at in range(len(raw)):
        for bit in (0, 2, 5, 7):
            broken = bytearray(raw)
            broken[at] ^= 1 << bit
            path.write_bytes(broken)
            try:
                read_caffemodel(path)
            except ValueError as error:
                assert str(path) in str(error)


@pytest.mark.parametrize('dims,values,says', [
    ([2, 3], 5, r'\(2, 3\) asks for 6 values, the file holds 5'),
    ([2, 3], 0, 'without weights'),
])
def test_a_count_that_disagrees_is_named(tmp_path, dims, values, says):
    net = NetParameter()
    blob = net.layer.add(name='fc').blobs.add()
    blob.shape.dim.extend(dims)
    blob.data.extend(range(values))
    with pytest.raises(ValueError, match=f"layer 'fc' blob 0: .*{says}"):
        read_caffemodel(saved(tmp_path / 'm', net))


def test_a_net_without_layers_is_refused(tmp_path):
    with pytest.raises(ValueError, match='holds no layer'):
        read_caffemodel(saved(tmp_path / 'm', NetParameter(name='a' * 100 + '\x01')))


def test_opencv_reads_what_is_written(tmp_path):
    cv2 = pytest.importorskip('cv2')
    (tmp_path / 'net.prototxt').write_text(
        'layer { name: "in" type: "Input" top: "data" '
        'input_param { shape { dim: 1 dim: 3 dim: 5 dim: 5 } } }\n'
        'layer { name: "conv" type: "Convolution" bottom: "data" top: "conv" '
        'convolution_param { num_output: 4 kernel_size: 3 } }\n')
    write_caffemodel(tmp_path / 'm.caffemodel', {'conv': [CONV, BIAS]})
    net = cv2.dnn.readNetFromCaffe(str(tmp_path / 'net.prototxt'), str(tmp_path / 'm.caffemodel'))
    image = RNG.standard_normal((1, 3, 5, 5)).astype(np.float32)
    net.setInput(image)
    windows = np.lib.stride_tricks.sliding_window_view(image[0], (3, 3), (1, 2))
    expected = np.einsum('cyxhw,ochw->oyx', windows, CONV) + BIAS[:, None, None]
    np.testing.assert_allclose(net.forward()[0], expected, rtol=0, atol=1e-4)  # float32 sums


def test_only_a_file_beyond_protobufs_limit_is_warned_of(tmp_path, monkeypatch, caplog) -> None:
    path = tmp_path / 'x.caffemodel'
    write_caffemodel(path, {'a': [np.ones(3, np.float32)]})
    assert caffemodel.PROTOBUF_LIMIT == 2147483647        # INT_MAX, what Caffe reads
    monkeypatch.setattr(caffemodel, 'PROTOBUF_LIMIT', path.stat().st_size)
    write_caffemodel(path, {'a': [np.ones(3, np.float32)]})
    assert not caplog.records
    monkeypatch.setattr(caffemodel, 'PROTOBUF_LIMIT', path.stat().st_size - 1)
    write_caffemodel(path, {'a': [np.ones(3, np.float32)]})
    assert f'{path.stat().st_size} bytes; Caffe and protobuf read no message' in caplog.text
    assert read_caffemodel(path)['a'][0].tolist() == [1, 1, 1]
