"""Bias: add a parameter, or the second bottom, along some axes (Caffe's BiasLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.broadcast import Broadcast
from port.onnx.graph_builder import Graph


@layer('Bias')
class Bias(Broadcast):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        if len(bottom) == 1:
            param = self.param.bias_param
            self.add_operand(bottom[0], param.axis, param.num_axes, param.filler)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.fit(bottom[0], (bottom[1:] or self.blobs)[0], self.param.bias_param.axis)
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x, bias = bottom[0].data, self.spread((bottom[1:] or self.blobs)[0])
        top[0].data = x.add_(bias) if top[0] is bottom[0] else torch.add(x, bias)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        bias = self.onnx_operand(g, bottoms, self.blobs[:1], 'bias')
        return [g.add('Add', bottoms[0], bias, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        diff = top[0].diff
        if len(bottom) == 2 and propagate_down[1]:
            bottom[1].diff = self.gathered(diff, bottom[1])
        elif len(bottom) == 1 and self.param_propagate_down[0]:
            self.blobs[0].add_diff(self.gathered(diff, self.blobs[0]))
        if propagate_down[0] and top[0] is not bottom[0]:
            bottom[0].diff = diff.clone()
