"""Slice: one blob cut into several along an axis (Caffe's SliceLayer)."""

import torch

from netspec.layer_shapes import axis_or_dim
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
        super().reshape(bottom, top)
        self.at = axis_or_dim(self.param.slice_param, 'slice_dim', len(bottom[0].shape))
        self.sizes = [blob.shape[self.at] for blob in top]

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
