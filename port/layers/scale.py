"""Scale: multiply by a parameter, or by the second bottom, along some axes, and optionally add
a bias of the same shape (Caffe's ScaleLayer).
"""

from math import prod

import torch

from netspec.schema.messages import FillerParameter
from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.broadcast import Broadcast
from port.onnx.graph_builder import Graph


@layer('Scale')
class Scale(Broadcast):
    """blobs: [scale, bias] as far as they are parameters. kept: the bottom, when the top
    overwrites it and the scale's gradient needs it.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.scale_param
        if len(bottom) == 1:
            ones = FillerParameter(type='constant', value=1)
            filler = param.filler if param.HasField('filler') else ones
            self.add_operand(bottom[0], param.axis, param.num_axes, filler)
        if param.bias_term:
            num_axes = len(bottom[1].shape) if len(bottom) == 2 else param.num_axes
            self.add_operand(bottom[0], param.axis, num_axes, param.bias_filler)
        self.kept: torch.Tensor | None = None

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.fit(bottom[0], (bottom[1:] or self.blobs)[0], self.param.scale_param.axis)
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x, scale = bottom[0].data, self.spread((bottom[1:] or self.blobs)[0])
        in_place = top[0] is bottom[0]
        if in_place and (len(bottom) == 2 or self.param_propagate_down[0]):
            self.kept = x.clone()
        out = x if in_place else torch.empty_like(x)
        if self.param.scale_param.bias_term:
            torch.addcmul(self.spread(self.blobs[-1]), x, scale, out=out)
        else:
            torch.mul(x, scale, out=out)
        top[0].data = out

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        param = self.param.scale_param
        scale = self.onnx_operand(g, bottoms, self.blobs[:1])
        product = g.add('Mul', bottoms[0], scale, out=None if param.bias_term else tops[0])
        if not param.bias_term:
            return [product]
        return [g.add('Add', product, self.onnx_operand(g, bottoms[:1], self.blobs[-1:], 'bias'),
                      out=tops[0])]

    def overwrites(self, bottom: Blob, scale: Blob) -> bool:
        """Whether Caffe forgets earlier gradients of the scale, those of iter_size among them:
        where no axis before the scale's repeats it (a batch of one), unless it is one number.
        """
        if scale.count == bottom.count:
            return True
        first = len(self.view) - len(scale.shape) - self.after
        return scale.count > 1 and prod(bottom.shape[:first]) == 1

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        diff, in_place = top[0].diff, top[0] is bottom[0]
        if self.param.scale_param.bias_term and self.param_propagate_down[-1]:
            self.blobs[-1].add_diff(self.gathered(diff, self.blobs[-1]))
        scale = (bottom[1:] or self.blobs)[0]
        if (propagate_down[1:] or self.param_propagate_down)[0]:
            kept = self.kept if in_place and self.kept is not None else bottom[0].data
            gradient = self.gathered(diff * kept, scale)
            if len(bottom) == 2 or self.overwrites(bottom[0], scale):
                scale.diff = gradient
            else:
                scale.add_diff(gradient)
        if propagate_down[0]:
            out = diff if in_place else torch.empty_like(diff)
            bottom[0].diff = torch.mul(diff, self.spread(scale), out=out)
