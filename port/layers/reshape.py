"""Reshape: another shape for the same values (Caffe's ReshapeLayer).

In `shape`, 0 copies the bottom's size and one -1 takes what is left over.
"""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.neuron import refuse_in_place
from port.onnx.graph_builder import Graph


@layer('Reshape')
class Reshape(Layer):
    """The top is the bottom's memory, data and diff."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        dims = list(self.param.reshape_param.shape.dim)
        if dims.count(-1) > 1:
            raise ValueError(f'shape {dims} has {dims.count(-1)} sizes -1; expected at most one')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = bottom[0].viewed(*top[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.reshape_as(bottoms[0], tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        bottom[0].diff = top[0].diff.reshape(bottom[0].shape)
