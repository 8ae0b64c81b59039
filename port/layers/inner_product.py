"""InnerProduct (Caffe's inner_product_layer.cpp): y = x W^T + b over everything from `axis` on."""

from math import prod

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('InnerProduct')
class InnerProduct(Layer):
    """Weights are num_output x inputs, or inputs x num_output with `transpose`."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.inner_product_param
        if p.num_output < 1:
            raise ValueError('num_output must be given, at least 1')
        if len(self.param.blobs) not in (0, 1 + p.bias_term):
            raise ValueError(f'the layer carries {len(self.param.blobs)} param blob(s); expected '
                             f'{1 + p.bias_term} (bias_term is {str(p.bias_term).lower()})')
        self.transpose = p.transpose
        self.inputs = prod(bottom[0].shape[self.axis(p.axis, len(bottom[0].shape)):])
        shape = (p.num_output, self.inputs)
        self.add_blob(shape[::-1] if p.transpose else shape, p.weight_filler)
        if p.bias_term:
            self.add_blob((p.num_output,), p.bias_filler)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        p, shape = self.param.inner_product_param, bottom[0].shape
        axis = self.axis(p.axis, len(shape))
        if prod(shape[axis:]) != self.inputs:
            raise ValueError(f'bottom {bottom[0].name!r} {list(shape)} has {prod(shape[axis:])} '
                             f'inputs from axis {axis} on; the weights are for {self.inputs}')
        super().reshape(bottom, top)

    def weight(self) -> torch.Tensor:
        """Return the weights as inputs x num_output."""
        return self.blobs[0].data if self.transpose else self.blobs[0].data.t()

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data.reshape(-1, self.inputs)
        y = (torch.addmm(self.blobs[1].data, x, self.weight()) if len(self.blobs) > 1
             else x @ self.weight())
        top[0].data = y.view(top[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        shape, p = g.shape(bottoms[0]), self.param.inner_product_param
        axis, x = self.axis(p.axis, len(shape)), bottoms[0]
        bias = [g.const(blob.data, name='bias') for blob in self.blobs[1:]]
        if axis == 1:
            x = x if len(shape) == 2 else g.add('Flatten', x)
            weight = g.const(self.blobs[0].data, name='weight')
            return [g.add('Gemm', x, weight, *bias, transB=int(not self.transpose), out=tops[0])]
        if axis != len(shape) - 1:
            x = g.reshape(x, [0] * axis + [self.inputs])
        weight = g.const(self.weight(), name='weight')
        if not bias:
            return [g.add('MatMul', x, weight, out=tops[0])]
        return [g.add('Add', g.add('MatMul', x, weight), *bias, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        diff = top[0].diff.reshape(-1, top[0].shape[-1])
        if self.param_propagate_down[0]:
            x = bottom[0].data.reshape(-1, self.inputs)
            self.blobs[0].add_diff(x.t() @ diff if self.transpose else diff.t() @ x)
        if len(self.blobs) > 1 and self.param_propagate_down[1]:
            self.blobs[1].add_diff(diff.sum(0))
        if propagate_down[0]:
            bottom[0].diff = (diff @ self.weight().t()).view(bottom[0].shape)
