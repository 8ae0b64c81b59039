"""SigmoidCrossEntropyLoss (src/caffe/layers/sigmoid_cross_entropy_loss_layer.cpp)."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import BATCH_SIZE, counted, ignored, mode_of, normalizer


@layer('SigmoidCrossEntropyLoss')
class SigmoidCrossEntropyLoss(LossLayer):
    """loss = sum of -t log s(x) - (1 - t) log(1 - s(x)), over the normalizer; t any real number.

    Unlike SoftmaxWithLoss it divides by the batch size unless loss_param says otherwise, and a
    value, not a position, counts. Targets whose whole part is ignore_label give no loss.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.ignore = ignored(self.param.loss_param)
        self.mode = mode_of(self.param.loss_param, BATCH_SIZE)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        x, target = bottom
        if x.count != target.count:
            raise ValueError(f'{x.name!r} {list(x.shape)} and {target.name!r} '
                             f'{list(target.shape)} must have the same count')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data
        target = bottom[1].data.reshape(x.shape)
        losses = binary_cross_entropy_with_logits(x, target, reduction='none')
        valid = self._valid(target)
        if valid is not None:
            losses.masked_fill_(~valid, 0)
        self.divisor = normalizer(self.mode, x.shape[0], x.numel(), valid)
        top[0].data = losses.sum() / self.divisor
        self.gate = x.sigmoid()

    def _valid(self, target: torch.Tensor) -> torch.Tensor | None:
        return counted(target.trunc(), self.ignore) if self.ignore else None

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            target = bottom[1].data.reshape(self.gate.shape)      # anew, as Caffe's
            diff, valid = (self.gate - target).mul_(top[0].diff / self.divisor), self._valid(target)
            if valid is not None:
                diff.masked_fill_(~valid, 0)
            bottom[0].diff = diff
