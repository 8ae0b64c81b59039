"""Reshape: another shape for the same values (Caffe's ReshapeLayer).

In `shape`, 0 copies the bottom's size and one -1 takes what is left over.
"""

from math import prod

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
        self.dims = list(self.param.reshape_param.shape.dim)
        if self.dims.count(-1) > 1:
            raise ValueError(f'shape {self.dims} has {self.dims.count(-1)} sizes -1; expected at '
                             'most one')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape = bottom[0].shape
        start, end = self._replaced(shape)
        new = [self._copied(shape, start + i) if dim == 0 else dim
               for i, dim in enumerate(self.dims)]
        given = prod(shape[:start]) * prod(shape[end:]) * prod(d for d in new if d != -1)
        if -1 in new:
            if given == 0 or bottom[0].count % given:
                raise ValueError(f'shape {self.dims} cannot be filled: the count '
                                 f'{bottom[0].count} of bottom {bottom[0].name!r} {list(shape)} '
                                 f'is not a multiple of {given}, the product of the given sizes')
            new[new.index(-1)] = bottom[0].count // given
        elif given != bottom[0].count:
            raise ValueError(f'the new shape {[*shape[:start], *new, *shape[end:]]} holds {given} '
                             f'values; bottom {bottom[0].name!r} {list(shape)} has '
                             f'{bottom[0].count}')
        top[0].reshape(*shape[:start], *new, *shape[end:])

    def _replaced(self, shape: tuple[int, ...]) -> tuple[int, int]:
        """Return the range of the bottom's axes that the new shape replaces."""
        param, axes = self.param.reshape_param, len(shape)
        start = param.axis if param.axis >= 0 else axes + param.axis + 1
        if not 0 <= start <= axes:
            raise ValueError(f'axis {param.axis} is out of range; expected {-axes - 1} to {axes} '
                             f'for a blob of {axes} axes')
        if param.num_axes < -1:
            raise ValueError(f'num_axes is {param.num_axes}; expected 0 or more, or -1 for all')
        end = axes if param.num_axes == -1 else start + param.num_axes
        if end > axes:
            raise ValueError(f'axis {start} + num_axes {param.num_axes} reach past the {axes} '
                             'axes of the bottom')
        return start, end

    def _copied(self, shape: tuple[int, ...], axis: int) -> int:
        if axis >= len(shape):
            raise ValueError(f'shape {self.dims} has a 0 (copy) for axis {axis}, but the bottom '
                             f'{list(shape)} has no such axis')
        return shape[axis]

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = bottom[0].viewed(*top[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.reshape_as(bottoms[0], tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        bottom[0].diff = top[0].diff.reshape(bottom[0].shape)
