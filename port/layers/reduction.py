"""Reduction: sum, absolute sum, sum of squares or mean over an axis and all that follow, times
coeff (Caffe's ReductionLayer).
"""

from math import prod

from netspec.schema.messages import ReductionParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph

ONNX = {ReductionParameter.SUM: 'ReduceSum', ReductionParameter.ASUM: 'ReduceL1',
        ReductionParameter.SUMSQ: 'ReduceSumSquare', ReductionParameter.MEAN: 'ReduceMean'}

ONNX_KINDS = {ReductionParameter.ASUM: 'ReduceL1', ReductionParameter.SUMSQ: 'ReduceSumSquare',
              ReductionParameter.MEAN: 'ReduceMean'}


@layer('Reduction')
class Reduction(Layer):
    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        param, shape = self.param.reduction_param, bottom[0].shape
        self.at = len(top[0].shape)
        self.op, self.coeff = param.operation, param.coeff
        if self.op == ReductionParameter.MEAN:
            self.coeff /= max(prod(shape[self.at:]), 1)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data.flatten(self.at)
        if self.op == ReductionParameter.ASUM:
            x = x.abs()
        elif self.op == ReductionParameter.SUMSQ:
            x = x.square()
        top[0].data = x.sum(-1).mul_(self.coeff)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        kind, coeff = ONNX[self.op], self.param.reduction_param.coeff
        axes = list(range(self.at, len(g.shape(bottoms[0]))))
        out = tops[0] if coeff == 1 else None
        if kind == 'ReduceSum':            # the only one whose axes are an input in opset 17
            y = g.add(kind, bottoms[0], g.ints(*axes), keepdims=0, out=out)
        else:
            y = g.add(kind, bottoms[0], axes=axes, keepdims=0, out=out)
        return [y if coeff == 1 else g.add('Mul', y, g.const(coeff), out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        shape = bottom[0].shape
        diff = top[0].diff * self.coeff
        diff = diff.view(*diff.shape, *[1] * (len(shape) - self.at))
        if self.op == ReductionParameter.ASUM:
            bottom[0].diff = bottom[0].data.sign().mul_(diff)
        elif self.op == ReductionParameter.SUMSQ:
            bottom[0].diff = bottom[0].data * diff.mul_(2)
        else:
            bottom[0].diff = diff.expand(shape).contiguous()
