"""Nets tile by tile: the scores of the whole image, what a tile takes, and nets that refuse."""

import numpy as np
import pytest
import torch

from netspec.named_net import find_net
from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.reach.geometry import Interval
from port.fast.tiles import Tile, TiledNet, tiles_of
from port.fast.unsuited import Unsuited

LARGEST = 1e-5               # of the largest score: float32 sums in another order
SEGNET = 3e-5                # 26 normalised layers: each engine is 0.8e-5 from double precision
SIZE = (75, 118)
INPUT = 'layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 ' \
        'dim: 40 dim: 40 } } }'
CONV = 'layer { name: "%s" type: "Convolution" bottom: "%s" top: "%s" convolution_param { ' \
       'num_output: 4 kernel_size: 3 pad: 1 weight_filler { type: "msra" } } }'


def image(size: tuple[int, int] = SIZE) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(0).randn(1, 3, *size).astype('f4') * 50)


@pytest.mark.parametrize('name, output', [
    ('voc-fcn8s', 'score'), ('camvid-fcn16s-squeezenet', 'score'), *(
        pytest.param(*row, marks=pytest.mark.slow) for row in (
            ('voc-fcn32s', 'score'), ('voc-fcn16s', 'score'), ('siftflow-fcn8s', 'score_geo'),
            ('voc-fcn-alexnet', 'score'), ('voc-fcn8s-resnet34', 'score')))])
def test_joined_tiles_are_the_whole_image(name: str, output: str) -> None:
    """At borders, with the padding of 100, where poolings round up: against the plain engine."""
    net = Net(find_net(name).deploy(0.03125, None), TEST)
    random_weights(net, 1)
    x = image()
    whole = net.forward(data=x)[output].clone()
    tiled = TiledNet(net, output)
    for side in ((32, 32), (75, 41), (50, 200)):
        joined = tiled.joined(x, side)
        assert joined.shape == whole.shape
        assert (joined - whole).abs().max() <= LARGEST * whole.abs().max(), side


@pytest.mark.parametrize('name, size, sides, bound', [
    ('camvid-segnet-basic', (360, 480), ((100, 480),), LARGEST),
    ('deeplab-largefov', (65, 97), ((32, 32), (65, 50)), LARGEST),
    pytest.param('camvid-segnet', (360, 480), ((128, 100), (360, 64)), SEGNET,
                 marks=pytest.mark.slow),
    *(pytest.param(name, (97, 129), ((32, 32), (97, 50)), LARGEST, marks=pytest.mark.slow)
      for name in ('deeplab-msc-largefov', 'deeplab-resnet101', 'deeplab-vgg16-aspp-l'))])
def test_so_are_those_of_unpooling_and_resizing(
        name: str, size: tuple[int, int], sides: tuple, bound: float) -> None:
    """Against the plain engine; and cut or whole, the fast one's numbers are the same."""
    net = Net(find_net(name).deploy(0.03125, None), TEST)
    random_weights(net, 1)
    x, output = image(size), net.outputs[0]
    whole = net.forward(**{net.inputs[0]: x})[output].clone()
    tiled = TiledNet(net, output)
    uncut = tiled.joined(x, size)
    assert (uncut - whole).abs().max() <= bound * whole.abs().max()
    for side in sides:
        assert (tiled.joined(x, side) - uncut).abs().max() <= LARGEST * whole.abs().max()
        assert tiled.memory(size, tiled._middle(size, min(side))) < tiled.memory(
            size, tiled._middle(size, max(size)))


POOL = 'layer { name: "p" type: "Pooling" bottom: "a" top: "p" top: "m" pooling_param { ' \
       'kernel_size: %d stride: %d pad: %d } }'
UP = 'layer { name: "u" type: "Upsample" bottom: "%s" bottom: "%s" top: "u" upsample_param { %s } }'


@pytest.mark.parametrize('kernel, stride, pad, size, given', [
    (2, 2, 0, (24, 30), 'scale: 2'),
    (2, 2, 0, (25, 31), 'scale: 2 pad_out_h: true pad_out_w: true'),
    (3, 2, 0, (25, 31), 'upsample_h: 25 upsample_w: 31'),
    (3, 2, 1, (24, 30), 'upsample_h: 24 upsample_w: 30'),
    (3, 3, 0, (24, 30), 'scale: 3')])
def test_values_go_back_to_the_places_of_maxima(
        kernel: int, stride: int, pad: int, size: tuple[int, int], given: str) -> None:
    """Of windows that overlap, are cut at the end, or begin in the padding."""
    shape = INPUT.replace('dim: 40 dim: 40', f'dim: {size[0]} dim: {size[1]}')
    net = Net(parse_net(shape + CONV % ('a', 'data', 'a') + POOL % (kernel, stride, pad)
                        + CONV % ('b', 'p', 'b') + UP % ('b', 'm', given)
                        + CONV % ('c', 'u', 'c')), TEST)
    x = image(size)
    whole, tiled = net.forward(data=x)['c'].clone(), TiledNet(net, 'c')
    assert whole.shape[2:] == size
    for side in ((5, 7), (24, 11), (8, 31)):
        assert (tiled.joined(x, side) - whole).abs().max() <= LARGEST * whole.abs().max(), side


INTERP = 'layer { name: "i" type: "Interp" bottom: "a" top: "i" interp_param { %s } }'
BN = 'layer { name: "n" type: "BN" bottom: "a" top: "n" bn_param { bn_mode: INFERENCE ' \
     'scale_filler { type: "uniform" } shift_filler { type: "uniform" } } }'


@pytest.mark.parametrize('middle, top', [
    (INTERP % 'zoom_factor: 3', 'i'), (INTERP % 'shrink_factor: 2 pad_beg: -1 pad_end: -2', 'i'),
    (INTERP % 'height: 91 width: 33', 'i'), (BN, 'n')])
def test_resizing_and_segnets_folded_normalisation(middle: str, top: str) -> None:
    net = Net(parse_net(INPUT + CONV % ('a', 'data', 'a') + middle + CONV % ('c', top, 'c')), TEST)
    whole, tiled = net.forward(data=image())['c'].clone(), TiledNet(net, 'c')
    for side in ((13, 7), (32, 91)):
        joined = tiled.joined(image(), side)
        assert joined.shape == whole.shape
        assert (joined - whole).abs().max() <= LARGEST * whole.abs().max(), side


def test_unpooling_that_cannot_be_placed_is_named() -> None:
    """A mask from elsewhere; and one of an image of another size than is made of it."""
    masked = INPUT + INPUT.replace('"in"', '"in2"').replace('"data"', '"mask"')
    net = Net(parse_net(masked + UP % ('data', 'mask', 'scale: 2')), TEST)
    with pytest.raises(Unsuited, match="layer 'u': puts values back at places that no pooling"):
        TiledNet(net, 'u')
    even = Net(parse_net(INPUT + CONV % ('a', 'data', 'a') + POOL % (2, 2, 0)
                         + UP % ('p', 'm', 'scale: 2')), TEST)
    with pytest.raises(ValueError, match=r"an image of \(41, 60\) .*layer 'u': makes \[42, 60\] "
                                         r"\(height, width\) of what was pooled from \[41, 60\]"):
        TiledNet(even, 'u').size((41, 60))


def test_tiles_cover_each_place_once() -> None:
    for size, side in (((5, 7), (2, 3)), ((4, 4), (9, 9)), ((1, 1), (1, 1)), ((10, 3), (4, 2))):
        hits = np.zeros(size, int)
        for tile in tiles_of(size, side):
            assert tile.rows.size <= side[0] and tile.columns.size <= side[1]
            hits[slice(*tile.rows), slice(*tile.columns)] += 1
        assert (hits == 1).all()


def test_a_tile_reads_no_more_than_its_reach() -> None:
    """Three 3 x 3 convolutions reach 3 places around; a border cuts that."""
    net = Net(parse_net(INPUT + CONV % ('a', 'data', 'a') + CONV % ('b', 'a', 'b')
                        + CONV % ('c', 'b', 'c')), TEST)
    tiled, asked = TiledNet(net, 'c'), []

    def read(rows: Interval, columns: Interval) -> torch.Tensor:
        asked.append((*rows, *columns))
        return torch.zeros(1, 3, rows.size, columns.size)
    tiled.scores((40, 60), Tile(Interval(10, 20), Interval(0, 30)), read)
    assert asked == [(7, 23, 0, 33)]


@pytest.mark.parametrize('layer, name', [
    ('type: "Pooling" bottom: "a" top: "z" pooling_param { global_pooling: true }', 'glance'),
    ('type: "MVN" bottom: "a" top: "z"', 'glance'),
    ('type: "Pooling" bottom: "a" top: "z" pooling_param { pool: STOCHASTIC kernel_size: 2 }',
     'glance')])
def test_a_layer_that_looks_at_the_whole_image_is_named(layer: str, name: str) -> None:
    net = Net(parse_net(INPUT + CONV % ('a', 'data', 'a') + f'layer {{ name: "{name}" {layer} }}'),
              TEST)
    with pytest.raises(Unsuited, match=f"layer '{name}'"):
        TiledNet(net, 'z')


def test_memory_chooses_the_tile_and_grows_with_it() -> None:
    net = Net(find_net('voc-fcn8s').deploy(0.03125, None), TEST)
    tiled, size = TiledNet(net, 'score'), (2000, 3000)
    takes = [tiled.memory(size, tiled._middle(size, side)) for side in (32, 256, 1024)]
    assert takes == sorted(takes)
    side = tiled.largest(size, takes[1])
    assert side == (256, 256)
    assert tiled.largest(size, 1 << 50) == size
    assert tiled.overlap(size, (2000, 3000)) == 0 < tiled.overlap(size, (1000, 1000)) \
        < tiled.overlap(size, side)
    with pytest.raises(ValueError, match='a tile of 32x32, the smallest, takes about'):
        tiled.largest(size, takes[0] - 1)
