"""BN: batch normalisation with its scale and shift in one layer (SegNet's fork of Caffe,
bn_layer.cpp); BVLC Caffe writes BatchNorm and Scale.
"""

import torch

from netspec.schema.messages import BNParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph

EPS = 1e-9


@layer('BN')
class BN(Layer):
    """y = scale * x' + shift for each channel; blobs [scale, shift], each 1 x C x 1 x 1.

    bn_mode LEARN, in both phases: x' = (x - mean) / sqrt(variance + 1e-9) of this very batch,
    and tops 1 and 2, if any, are that mean and variance. INFERENCE: x' = x, for nets whose
    statistics were folded into scale and shift. In Caffe a second pass of iter_size overwrites
    the gradients of the first; ours adds up.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.bn_param
        self.learn = param.bn_mode == BNParameter.LEARN
        shape = bottom[0].shape
        if len(shape) != 4:
            raise ValueError(f'bottom {bottom[0].name!r} {list(shape)} must have 4 axes: num, '
                             'channels, height, width')
        for filler in (param.scale_filler, param.shift_filler):
            self.add_blob((1, shape[1], 1, 1), filler)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape, channels = bottom[0].shape, self.blobs[0].shape[1]
        if len(shape) != 4 or shape[1] != channels:
            raise ValueError(f'bottom {bottom[0].name!r} has shape {list(shape)}; expected 4 axes '
                             f'with {channels} channels')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x, (scale, shift) = bottom[0].data, (blob.data for blob in self.blobs)
        if self.learn:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
            self.rate = torch.rsqrt(variance + EPS)
            for blob, value in zip(top[1:], (mean, variance), strict=False):
                blob.data = value
            self.normal = (x - mean).mul_(self.rate)
        else:
            self.normal = x.clone() if top[0] is bottom[0] else x
        top[0].data = torch.addcmul(shift, self.normal, scale)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """With g = dy scale: dx = (g - mean(g) - mean(g x') x') / sqrt(variance + 1e-9)."""
        diff, axes = top[0].diff, (0, 2, 3)
        for i, gradient in enumerate((diff * self.normal, diff)):
            if self.param_propagate_down[i]:
                self.blobs[i].add_diff(gradient.sum(axes, keepdim=True))
        if not propagate_down[0]:
            return
        g = diff * self.blobs[0].data
        if self.learn:
            along = (g * self.normal).mean(axes, keepdim=True)
            g = (g - g.mean(axes, keepdim=True) - along * self.normal) * self.rate
        bottom[0].diff = g

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if self.learn:
            raise ValueError('BN in bn_mode LEARN has no ONNX form; fold its statistics in and '
                             'use INFERENCE')
        scale, shift = (g.const(blob.data) for blob in self.blobs)
        return [g.add('Add', g.add('Mul', bottoms[0], scale), shift, out=tops[0])]
