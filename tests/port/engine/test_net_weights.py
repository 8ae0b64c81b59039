"""Weights in and out of a net by layer name: files, several, legacy shapes, what does not fit."""

import logging
import re

import numpy as np
import pytest
import torch

from netspec.schema import parse_net, read_net_binary
from netspec.schema.messages import TEST, NetParameter
from port.engine.net import Net
from port.engine.net_weights import arrays, copy_from, lacking, parameter_count, paths_of
from surgery import read_hdf5, read_weights, write_caffemodel

TEXT = '''
name: "small"
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "c"
        convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "msra" } } }
layer { name: "relu" type: "ReLU" bottom: "c" top: "c" }
layer { name: "ip" type: "InnerProduct" bottom: "c" top: "y" inner_product_param {
        num_output: 5 weight_filler { type: "xavier" } } }
'''


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net(parse_net(TEXT), TEST)


def fresh() -> Net:
    return Net(parse_net(TEXT), TEST)


def equal(one: Net, other: Net) -> bool:
    a, b = arrays(one), arrays(other)
    return a.keys() == b.keys() and all(np.array_equal(x, y) for layer in a
                                        for x, y in zip(a[layer], b[layer], strict=True))


@pytest.mark.parametrize('name', ['w.caffemodel', 'w.caffemodel.h5'])
def test_round_trip(name: str, net: Net, tmp_path) -> None:
    net.save(tmp_path / name)
    other = fresh()
    assert not equal(net, other)
    other.copy_from(tmp_path / name)
    assert equal(net, other)


def test_the_file_names_every_layer(net: Net, tmp_path) -> None:
    net.save(tmp_path / 'w.caffemodel')
    message = read_net_binary(tmp_path / 'w.caffemodel')
    assert message.name == 'small'
    assert [(x.name, x.type) for x in message.layer if x.blobs] == [('conv', 'Convolution'),
                                                                    ('ip', 'InnerProduct')]


def test_several_files_and_layers_that_the_net_lacks(net: Net, tmp_path) -> None:
    whole = arrays(net)
    write_caffemodel(tmp_path / 'a', {'conv': whole['conv'], 'other': [np.ones(3, 'f')]})
    write_caffemodel(tmp_path / 'b', {'ip': whole['ip']})
    for source in (f'{tmp_path}/a,{tmp_path}/b', [tmp_path / 'a', tmp_path / 'b']):
        other = fresh()
        other.copy_from(source)
        assert equal(net, other)


def test_old_four_dimensional_shapes_fit(net: Net) -> None:
    given = {'ip': [arrays(net)['ip'][0][None, None], arrays(net)['ip'][1][None, None, None]]}
    other = fresh()
    other.copy_from(given)
    assert np.array_equal(arrays(other)['ip'][0], arrays(net)['ip'][0])


def test_doubles_and_unaligned_memory_are_taken(net: Net) -> None:
    weight = np.arange(54.0).reshape(2, 3, 3, 3)
    raw = np.zeros(54 * 4 + 1, np.uint8)
    unaligned = raw[1:].view('f4').reshape(2, 3, 3, 3)
    unaligned[...] = weight
    for array in (weight, unaligned):
        net.copy_from({'conv': [array, np.zeros(2)]})
        assert np.array_equal(arrays(net)['conv'][0], weight)


@pytest.mark.parametrize('blobs, words', [
    ([(2, 3, 5, 5), (2,)], "layer 'conv', param 0: shape mismatch: [2, 3, 5, 5], the net expects "
                           '[2, 3, 3, 3]'),
    ([(2, 3, 3, 3)], "Incompatible number of blobs for layer 'conv': 1, the net expects 2"),
    ([(2, 3, 3, 3), (2,), (1,)],
     "Incompatible number of blobs for layer 'conv': 3, the net expects 2"),
    ([(2, 3, 3, 3), (1, 2)], "layer 'conv', param 1: shape mismatch: [1, 2], the net expects [2]"),
    ([(2, 3, 3, 3), (2, 1, 1, 1)],
     "layer 'conv', param 1: shape mismatch: [2, 1, 1, 1], the net expects [2]")])
def test_what_does_not_fit(blobs, words: str, net: Net, tmp_path) -> None:
    write_caffemodel(tmp_path / 'w', {'conv': [np.zeros(shape, 'f') for shape in blobs]})
    with pytest.raises(ValueError, match=re.escape(f'{tmp_path / "w"}: {words}')):
        net.copy_from(tmp_path / 'w')


def test_gradients_beside_the_data(net: Net, tmp_path) -> None:
    net.params['ip'][1].diff = torch.arange(5.0)
    net.save(tmp_path / 'w', diff=True)
    layer = next(x for x in read_net_binary(tmp_path / 'w').layer if x.name == 'ip')
    assert list(layer.blobs[1].diff) == [0, 1, 2, 3, 4]
    assert np.array_equal(read_weights(tmp_path / 'w')['ip'][1], arrays(net)['ip'][1])


def test_gradients_come_back_as_caffe_reads_them(net: Net, tmp_path) -> None:
    """Blob::FromProto copies diffs that the file has and leaves those alone that it has not."""
    net.params['ip'][1].diff = torch.arange(5.0)
    net.save(tmp_path / 'with', diff=True)
    net.save(tmp_path / 'without')
    net.params['ip'][1].diff = torch.zeros(5)
    net.copy_from(tmp_path / 'with')
    assert net.params['ip'][1].diff.tolist() == [0, 1, 2, 3, 4]
    assert not net.params['conv'][0].diff.any()
    net.params['ip'][1].diff = torch.full((5,), 8.0)
    net.copy_from(tmp_path / 'without')
    assert net.params['ip'][1].diff.tolist() == [8] * 5


def test_a_diff_of_another_size_is_refused(net: Net, tmp_path) -> None:
    param = NetParameter()
    layer = param.layer.add(name='ip', type='InnerProduct')
    for size in (40, 5):
        layer.blobs.add(data=[0] * size, diff=[0] * (size - 1)).shape.dim.append(size)
    (tmp_path / 'w').write_bytes(param.SerializeToString())
    with pytest.raises(ValueError, match="w: layer 'ip' blob 0: 40 values, but 39 in its diff"):
        net.copy_from(tmp_path / 'w')


def test_count(net: Net) -> None:
    assert parameter_count(net) == 2 * 27 + 2 + 5 * 8 + 5


def test_layers_that_the_net_lacks_are_named_as_in_caffe(net: Net, tmp_path, caplog) -> None:
    write_caffemodel(tmp_path / 'w', arrays(net) | {'other': [np.ones(3, 'f')], 'empty': []})
    with caplog.at_level(logging.INFO, 'port.net'):
        fresh().copy_from(tmp_path / 'w')
    assert [r.getMessage() for r in caplog.records if 'source' in r.getMessage()] == [
        'Ignoring source layer other', 'Ignoring source layer empty']


@pytest.mark.parametrize('weights', [5, [np.ones(3)], object()])
def test_what_is_no_weights(weights, net: Net) -> None:
    with pytest.raises(TypeError, match='weights: expected a file, several, or {layer: '):
        net.copy_from(weights)


SHARING = '''
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 2 dim: 8 } } }
layer { name: "a" type: "InnerProduct" bottom: "x" top: "a" param { name: "w" }
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
layer { name: "b" type: "InnerProduct" bottom: "x" top: "b" param { name: "w" }
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
'''


def test_what_the_weights_do_not_hold_is_known(net: Net) -> None:
    whole = arrays(net)
    assert lacking(net, copy_from(net, whole)) == []
    assert lacking(net, copy_from(net, {'conv': whole['conv']})) == ['ip']
    assert lacking(net, set()) == ['conv', 'ip']
    shared = Net(parse_net(SHARING), TEST)
    held = copy_from(shared, {'a': arrays(shared)['a']})
    assert held == {('a', 0), ('a', 1)} and lacking(shared, held) == ['b']      # its own bias
    assert lacking(shared, held | {('b', 1)}) == []
    assert parameter_count(shared) == 5 * 8 + 5 + 5


def test_hdf5_holds_a_shared_parameter_once(tmp_path) -> None:
    net, other = Net(parse_net(SHARING), TEST), Net(parse_net(SHARING), TEST)
    net.save(tmp_path / 'w.h5')
    assert [None if a is None else a.shape for a in read_hdf5(tmp_path / 'w.h5')['b']] == [
        None, (5,)]
    other.copy_from(tmp_path / 'w.h5')
    assert equal(net, other)
    with pytest.raises(ValueError, match="number of blobs for layer 'a': 1, the net expects 2"):
        other.copy_from({'a': [None, np.zeros(5)]})       # which owns what is left out


@pytest.mark.parametrize(('name', 'hdf5', 'head'), [
    ('w.caffemodel', None, b'\n'), ('w.h5', None, b'\x89HDF'), ('w.caffemodel', True, b'\x89HDF'),
    ('w.h5', False, b'\n'), ('w.npz', None, b'PK'), ('w.npz', False, b'\n')])
def test_the_form_goes_by_the_name_unless_told(name: str, hdf5: bool | None, head: bytes, net: Net,
                                               tmp_path) -> None:
    net.save(tmp_path / name, hdf5=hdf5)
    assert (tmp_path / name).read_bytes().startswith(head)


@pytest.mark.parametrize('kind', ['f4', 'f8'])
@pytest.mark.parametrize('precision', [torch.float32, torch.float64])
def test_arrays_that_cannot_be_written_to_are_taken(kind: str, precision: torch.dtype) -> None:
    net = Net(parse_net(TEXT), TEST, dtype=precision)
    weight = np.arange(54, dtype=kind).reshape(2, 3, 3, 3)
    weight.flags.writeable = False
    net.copy_from({'conv': [weight, np.zeros(2)]})
    assert np.array_equal(arrays(net)['conv'][0], weight)


def test_the_files_that_weights_are_given_by(tmp_path) -> None:
    assert paths_of('a,b.h5') == ['a', 'b.h5'] and paths_of(tmp_path) == [tmp_path]
    assert paths_of([tmp_path, 'b']) == [tmp_path, 'b'] and paths_of({'conv': []}) == []
