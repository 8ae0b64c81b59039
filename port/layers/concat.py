"""Concat: several blobs one after the other along an axis (Caffe's ConcatLayer)."""

import torch

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
        param, first = self.param.concat_param, bottom[0].shape
        if param.HasField('concat_dim'):
            if param.concat_dim >= len(first):
                raise ValueError(f'concat_dim {param.concat_dim} is out of range; expected 0 to '
                                 f'{len(first) - 1} for a blob of {len(first)} axes')
            at = param.concat_dim
        else:
            at = self.axis(param.axis, len(first))
        for blob in bottom[1:]:
            same = (*blob.shape[:at], *first[at:at + 1], *blob.shape[at + 1:])
            if len(blob.shape) != len(first) or same != first:
                raise ValueError(f'bottom {blob.name!r} has shape {list(blob.shape)}; expected '
                                 f'that of {bottom[0].name!r}, {list(first)}, except on the '
                                 f'concatenated axis {at}')
        self.at = at
        top[0].reshape(*first[:at], sum(b.shape[at] for b in bottom), *first[at + 1:])

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
