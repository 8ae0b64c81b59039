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
