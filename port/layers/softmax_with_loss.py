"""SoftmaxWithLoss: mean of -log softmax(x)[label] (src/caffe/layers/softmax_loss_layer.cpp)."""

from math import prod

import torch

from netspec.schema.messages import TRAIN
from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import (
    check_label_count,
    class_indices,
    ignored,
    mode_of,
    normalizer,
)

FLT_MIN = torch.finfo(torch.float32).tiny  # in double precision too, as in Caffe


@layer('SoftmaxWithLoss')
class SoftmaxWithLoss(LossLayer):
    """loss = sum over valid labels of -log max(p[label], FLT_MIN), over the normalizer.

    top[1], if any, is p. Backward: (p - onehot(label)) * loss_weight / normalizer, 0 if ignored.
    Kept from forward to backward: p, whose memory becomes the gradient's unless it is a top, one
    index and one mask a position.
    SegNet's fork: with weight_by_label_freqs each position's loss and gradient are multiplied by
    class_weighting[label]; the normalizer still counts positions, not weights.
    """

    tops = (1, 2)

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.ignore, self.mode = ignored(self.param.loss_param), mode_of(self.param.loss_param)
        self.looked = False
        self.weights: torch.Tensor | None = None
        if self.param.loss_param.weight_by_label_freqs:
            self.weights = torch.tensor(list(self.param.loss_param.class_weighting))

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        shape = bottom[0].shape
        self.classes = self.axis(self.param.softmax_param.axis, len(shape), 'softmax axis')
        check_label_count(bottom[0], bottom[1], self.classes)
        if self.weights is not None and len(self.weights) != shape[self.classes]:
            raise ValueError(f'class_weighting gives {len(self.weights)} weight(s); expected one '
                             f'for each of the {shape[self.classes]} classes')
        if len(top) > 1:
            top[1].reshape(*shape)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        prob = bottom[0].data.softmax(self.classes)
        self.index, self.valid = class_indices(bottom[1].data, bottom[0].shape, self.classes,
                                               self.ignore, look=not self.looked)
        self.looked = True
        log = prob.gather(self.classes, self.index).clamp_(min=FLT_MIN).log_()
        if self.weights is not None:
            self.weights = self.weights.to(log.device, log.dtype)
            log *= self.weights[self.index]
        if self.valid is not None:
            log.masked_fill_(~self.valid, 0)
        batch = prod(log.shape[:self.classes])
        self.divisor = normalizer(self.mode, batch, log.numel(), self.valid)
        top[0].data = -log.sum() / self.divisor
        if len(top) > 1:
            top[1].data = prob
        self.prob: torch.Tensor | None = prob if self.phase == TRAIN else None

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if not propagate_down[0]:
            return
        scale = top[0].diff / self.divisor
        prob = bottom[0].data.softmax(self.classes) if self.prob is None else self.prob
        if len(top) == 1:
            self.prob = None                   # a second backward pass computes it again
        diff = prob.mul_(scale) if len(top) == 1 else prob * scale
        diff.scatter_add_(self.classes, self.index, -scale.expand(self.index.shape))
        if self.weights is not None:
            diff *= self.weights[self.index]
        if self.valid is not None:
            diff.masked_fill_(~self.valid, 0)
        bottom[0].diff = diff
