"""Flatten: the axes from `axis` to `end_axis` become one; no value moves (Caffe's
FlattenLayer).
"""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.neuron import refuse_in_place
from port.onnx.graph_builder import Graph


@layer('Flatten')
class Flatten(Layer):
    """The top is the bottom's memory, and the bottom's diff the top's."""

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = bottom[0].viewed(*top[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.reshape_as(bottoms[0], tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        bottom[0].diff = top[0].diff.reshape(bottom[0].shape)
