"""Concat: several blobs one after the other along an axis (Caffe's ConcatLayer)."""

import torch

from netspec.layer_shapes import axis_or_dim
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Concat')
class Concat(Layer):
    """A single bottom lends the top its memory, data and diff."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.concat_param
        if param.HasField('axis') and param.HasField('concat_dim'):
            raise ValueError('concat_param gives both axis and concat_dim; expected one of them')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        self.at = axis_or_dim(self.param.concat_param, 'concat_dim', len(bottom[0].shape))

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        if len(bottom) == 1:
            top[0].data = bottom[0].data
        else:
            top[0].data = torch.cat([blob.data for blob in bottom], self.at)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if len(bottoms) == 1:
            return bottoms
        return [g.add('Concat', *bottoms, axis=self.at, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if len(bottom) == 1:
            bottom[0].diff = top[0].diff
            return
        diff, start = top[0].diff, 0
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            size = blob.shape[self.at]
            if wanted:
                blob.diff = diff.narrow(self.at, start, size).clone()
            start += size
