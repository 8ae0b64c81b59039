"""Tile: the bottom repeated along an axis (Caffe's TileLayer)."""

from math import prod

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Tile')
class Tile(Layer):
    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        param = self.param.tile_param
        self.at, self.tiles = self.axis(param.axis, len(bottom[0].shape)), param.tiles

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data
        top[0].data = x.repeat(*[self.tiles if a == self.at else 1 for a in range(x.dim())])

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        repeats = [self.tiles if a == self.at else 1 for a in range(len(g.shape(bottoms[0])))]
        return [g.add('Tile', bottoms[0], g.ints(*repeats), out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[0]:
            shape = bottom[0].shape
            tiles = top[0].diff.reshape(prod(shape[:self.at]), self.tiles, prod(shape[self.at:]))
            bottom[0].diff = tiles.sum(1).view(shape)
