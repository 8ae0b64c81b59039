"""netspec.atrous: which layers lose their stride and which get holes; what cannot is named."""

import pytest

from netspec import NetSpec
from netspec import layers as L
from netspec import params as P
from netspec.atrous import a_trous
from netspec.schema import print_net
from netspec.schema.messages import NetParameter
from netspec.spec import Top
from netspec.window import PoolWindow, pool_window

MAX = P.Pooling.MAX


def small(*strides: int) -> NetParameter:
    """A padded convolution and a pooling of 3 at each stride, and a last convolution of 5."""
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 99, 99]))
    top = n.data
    for i, stride in enumerate(strides):
        n[f'conv{i}'] = L.Convolution(top, num_output=2, kernel_size=3, pad=1)
        n[f'relu{i}'] = L.ReLU(n[f'conv{i}'], in_place=True)
        top = n[f'pool{i}'] = L.Pooling(n[f'relu{i}'], pool=MAX, kernel_size=3, stride=stride)
    n.fc = L.Convolution(top, num_output=2, kernel_size=5)
    n.score = L.Convolution(n.fc, num_output=2, kernel_size=1)
    return n.to_proto()


def told(net: NetParameter, name: str) -> tuple:
    """Stride, padding, dilation of a layer."""
    layer = next(layer for layer in net.layer if layer.name == name)
    if layer.type == 'Pooling':
        held = pool_window(layer.pooling_param)
        assert held is not None
        return held.stride[0], held.pad[0], held.dilation[0]
    p = layer.convolution_param
    return [*p.stride, 1][0], [*p.pad, 0][0], [*p.dilation, 1][0]


@pytest.mark.parametrize(('strides', 'wanted', 'expected'), [
    ((2, 2), 1, {'pool0': (1, 0, 1), 'conv1': (1, 2, 2), 'pool1': (1, 0, 2), 'fc': (1, 0, 4)}),
    ((2, 2), 2, {'pool0': (2, 0, 1), 'conv1': (1, 1, 1), 'pool1': (1, 0, 1), 'fc': (1, 0, 2)}),
    ((2, 2), 4, {'pool0': (2, 0, 1), 'conv1': (1, 1, 1), 'pool1': (2, 0, 1), 'fc': (1, 0, 1)}),
    ((4, 2), 2, {'pool0': (2, 0, 1), 'conv1': (1, 2, 2), 'pool1': (1, 0, 2), 'fc': (1, 0, 4)}),
    # 2 is no step towards 3: the first moves by 1, the second by 3 over holes of 2.
    ((2, 3), 3, {'pool0': (1, 0, 1), 'conv1': (1, 2, 2), 'pool1': (3, 0, 2), 'fc': (1, 0, 2)})])
def test_strides_go_and_holes_come(strides, wanted, expected) -> None:
    made = a_trous(small(*strides), wanted)
    assert {name: told(made, name) for name in expected} == expected
    assert told(made, 'score') == (1, 0, 1)          # a kernel of one place needs no holes


def test_the_nets_own_stride_changes_nothing() -> None:
    assert a_trous(small(2, 2), 4) == small(2, 2)


def test_large_fovs_pooling_is_one_that_caffe_reads() -> None:
    made = a_trous(small(2, 2, 2), 2, 'stride1')
    layers = {layer.name: layer for layer in made.layer}
    assert pool_window(layers['pool0'].pooling_param) == PoolWindow((3, 3), (2, 2), (0, 0))
    for name in ('pool1', 'pool2'):
        assert pool_window(layers[name].pooling_param) == PoolWindow((3, 3), (1, 1), (1, 1))
    assert told(made, 'conv2') == (1, 2, 2) and told(made, 'fc') == (1, 0, 4)
    assert not print_net(made).startswith('#')


def test_a_net_that_caffe_cannot_read_says_so() -> None:
    assert print_net(a_trous(small(2, 2), 1)).startswith('# Caffe cannot read this net: ')
    assert not print_net(small(2, 2)).startswith('#')


def test_sides_of_their_own_are_kept() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 20, 20]))
    n.half = L.Convolution(n.data, num_output=2, kernel_size=1, stride=2)
    n.conv = L.Convolution(n.half, num_output=2, kernel_h=3, kernel_w=1, pad_h=1, pad_w=0)
    n.pool = L.Pooling(n.conv, pool=MAX, kernel_h=1, kernel_w=3, pad_h=0, pad_w=1, stride=1)
    conv, pool = list(a_trous(n.to_proto(), 1).layer)[2:]
    assert list(conv.convolution_param.pad) == [2, 0]
    assert list(conv.convolution_param.dilation) == [2, 1]
    assert pool_window(pool.pooling_param) == PoolWindow((1, 3), (1, 1), (0, 2), (2, 2))


def ending(kind: str, **options: object) -> NetParameter:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 20, 20]))
    pooled = L.Pooling(n.data, kernel_size=2, stride=2, ntop=1 + (kind == 'Upsample'))
    made: tuple[Top, ...] = tuple(pooled) if kind == 'Upsample' else (pooled,)
    for i, top in enumerate(made):
        n[f'pool{"_mask" * i}'] = top
    if kind == 'Crop':
        made = (*made, n.data)
    if kind == 'Eltwise':
        n.small = L.Convolution(n.data, num_output=3, kernel_size=1)
        made = (*made, n.small)
    n.last = getattr(L, kind)(*made, **options)
    return n.to_proto()


@pytest.mark.parametrize(('kind', 'options', 'said'), [
    ('InnerProduct', dict(num_output=2), "layer 'last' (InnerProduct): .*places"),
    ('Deconvolution', dict(convolution_param=dict(num_output=2, kernel_size=4, stride=2)),
     "layer 'last' (Deconvolution): .*places"),
    ('Crop', {}, "layer 'last' (Crop): "),
    ('Pooling', dict(global_pooling=True), "layer 'last' (Pooling): .*the whole image"),
    ('Upsample', dict(scale=2), "layer 'pool' (Pooling): .*the places of its maxima"),
    ('LRN', dict(norm_region=1), "layer 'last' (LRN): "),
    ('Eltwise', {}, "layer 'last' (Eltwise): .*several strides"),
    ('Convolution', dict(num_output=2, kernel_size=1, stride_h=1, stride_w=2),
     "layer 'last' (Convolution): .*by 1 rows and 2 columns")])
def test_what_cannot_be_done_names_the_layer(kind: str, options: dict, said: str) -> None:
    said = said.replace('(', r'\(').replace(')', r'\)')
    with pytest.raises(ValueError, match=said):
        a_trous(ending(kind, **options), 1)


@pytest.mark.parametrize(('stride', 'pooling', 'said'), [
    (3, 'dilated', r"layer 'score' lies on the image every 4 pixels; expected .* got 3"),
    (8, 'dilated', 'every 4 pixels'), (0, 'dilated', 'got 0'),
    (2, 'holed', "pooling 'holed': expected dilated or stride1")])
def test_wrong_wishes(stride: int, pooling: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        a_trous(small(2, 2), stride, pooling)
