"""Softmax: exp(x) / sum exp(x) along an axis (Caffe's SoftmaxLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Softmax')
class Softmax(Layer):
    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.at = self.axis(self.param.softmax_param.axis, len(bottom[0].shape))
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = torch.softmax(bottom[0].data, self.at)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Softmax', bottoms[0], axis=self.at, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """dx = (dy - sum(dy y)) y."""
        diff, y = top[0].diff, top[0].data
        bottom[0].diff = torch.ops.aten._softmax_backward_data(diff, y, self.at, y.dtype)
