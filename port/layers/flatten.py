"""Flatten: the axes from `axis` to `end_axis` become one; no value moves (Caffe's
FlattenLayer).
"""

from math import prod

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
        param, shape = self.param.flatten_param, bottom[0].shape
        start = self.axis(param.axis, len(shape))
        end = self.axis(param.end_axis, len(shape), 'end_axis') + 1
        if start > end:
            raise ValueError(f'axis {param.axis} comes after end_axis {param.end_axis} in bottom '
                             f'{bottom[0].name!r} {list(shape)}')
        top[0].reshape(*shape[:start], prod(shape[start:end]), *shape[end:])

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = bottom[0].viewed(*top[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.reshape_as(bottoms[0], tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        bottom[0].diff = top[0].diff.reshape(bottom[0].shape)
