"""Reduction: sum, absolute sum, sum of squares or mean over an axis and all that follow, times
coeff (Caffe's ReductionLayer).
"""

from netspec.schema.messages import ReductionParameter
from port.blob import Blob
from port.layer import Layer
from port.registry import layer


@layer('Reduction')
class Reduction(Layer):
    bottoms = (1, 1)
    tops = (1, 1)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        param, shape = self.param.reduction_param, bottom[0].shape
        at = self.axis(param.axis, len(shape))
        top[0].reshape(*shape[:at])
        self.op, self.coeff = param.operation, param.coeff
        if self.op == ReductionParameter.MEAN:
            self.coeff *= top[0].count / max(bottom[0].count, 1)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data.reshape(top[0].count, -1)
        if self.op == ReductionParameter.ASUM:
            x = x.abs()
        elif self.op == ReductionParameter.SUMSQ:
            x = x.square()
        top[0].data = x.sum(1).mul_(self.coeff).view(top[0].shape)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        shape = bottom[0].shape
        diff = top[0].diff.reshape(-1, 1) * self.coeff
        if self.op == ReductionParameter.ASUM:
            diff = bottom[0].data.reshape(diff.shape[0], -1).sign().mul_(diff)
        elif self.op == ReductionParameter.SUMSQ:
            diff = bottom[0].data.reshape(diff.shape[0], -1) * diff.mul_(2)
        else:
            diff = diff.expand(-1, bottom[0].count // max(diff.shape[0], 1)).contiguous()
        bottom[0].diff = diff.view(shape)
