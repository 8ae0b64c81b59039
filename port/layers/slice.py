"""Slice: one blob cut into several along an axis (Caffe's SliceLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Slice')
class Slice(Layer):
    """A single top is the bottom's memory, data and diff."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.slice_param
        if param.HasField('axis') and param.HasField('slice_dim'):
            raise ValueError('slice_param gives both axis and slice_dim; expected one of them')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        param, shape = self.param.slice_param, bottom[0].shape
        if param.HasField('slice_dim'):
            if param.slice_dim >= len(shape):
                raise ValueError(f'slice_dim {param.slice_dim} is out of range; expected 0 to '
                                 f'{len(shape) - 1} for a blob of {len(shape)} axes')
            self.at = param.slice_dim
        else:
            self.at = self.axis(param.axis, len(shape))
        self.sizes = self._sizes(shape[self.at], len(top))
        for blob, size in zip(top, self.sizes, strict=True):
            blob.reshape(*shape[:self.at], size, *shape[self.at + 1:])

    def _sizes(self, whole: int, pieces: int) -> list[int]:
        points = list(self.param.slice_param.slice_point)
        if not points:
            if whole % pieces:
                raise ValueError(f'{pieces} tops cannot evenly divide the {whole} of axis '
                                 f'{self.at}; give slice_point')
            return [whole // pieces] * pieces
        if len(points) != pieces - 1:
            raise ValueError(f'{len(points)} slice_point(s) for {pieces} tops; expected '
                             f'{pieces - 1}')
        ends = [0, *points, whole]
        sizes = [b - a for a, b in zip(ends[:-1], ends[1:], strict=True)]
        if pieces > whole or min(sizes[:-1]) <= 0 or sizes[-1] < 0:
            raise ValueError(f'slice_point {points} must rise from above 0 and stay within the '
                             f'{whole} of axis {self.at}')
        return sizes

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        if len(top) == 1:
            top[0].data = bottom[0].data
            return
        for blob, piece in zip(top, bottom[0].data.split(self.sizes, self.at), strict=True):
            blob.data = piece.clone()

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if len(tops) == 1:
            return bottoms
        return g.add_many('Split', bottoms[0], g.ints(*self.sizes), axis=self.at, out=tops)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if len(top) == 1:
            bottom[0].diff = top[0].diff
        elif propagate_down[0]:
            bottom[0].diff = torch.cat([blob.diff for blob in top], self.at)
