"""SoftmaxWithLoss: mean of -log softmax(x)[label] (src/caffe/layers/softmax_loss_layer.cpp; and
the layers of that name in SegNet's and DeepLab v1's forks).
"""

from math import prod
from pathlib import Path

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

Labels = tuple[torch.Tensor, torch.Tensor | None, torch.Tensor | None]
FLT_MIN = torch.finfo(torch.float32).tiny  # in double precision too, as in Caffe


@layer('SoftmaxWithLoss')
class SoftmaxWithLoss(LossLayer):
    """loss = sum over valid labels of -log max(p[label], FLT_MIN), over the normalizer.

    top[1], if any, is p. Backward: (p - onehot(label)) * loss_weight / normalizer, 0 if ignored.
    Kept from forward to backward: p, whose memory becomes the gradient's unless it is a top. The
    labels are read anew, as Caffe reads them.
    SegNet's fork: with weight_by_label_freqs each position's loss and gradient are multiplied by
    class_weighting[label]; the normalizer still counts positions, not weights.
    DeepLab v1's: softmaxloss_param may repeat ignore_label, and weight_source names a file of one
    weight a class; there the normalizer is the sum of the weights. (Its gradient at an ignored
    position is what the blob held before, divided once more; here it is 0.)
    """

    saves_bottom = True          # Caffe's: p, which is made again where it is not kept

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given, v1 = self.param.loss_param, self.param.softmaxloss_param
        self.ignore, self.mode = (*ignored(given), *v1.ignore_label), mode_of(given)
        self.looked = False
        self.weights: torch.Tensor | None = None
        self.weighed = v1.HasField('weight_source')
        if self.weighed:
            self.weights = torch.tensor(read_weights(v1.weight_source))
        elif given.weight_by_label_freqs:
            self.weights = torch.tensor(list(given.class_weighting))

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        shape = bottom[0].shape
        self.classes = self.axis(self.param.softmax_param.axis, len(shape), 'softmax axis')
        check_label_count(bottom[0], bottom[1], self.classes)
        if self.weights is not None and len(self.weights) != shape[self.classes]:
            source = (self.param.softmaxloss_param.weight_source if self.weighed
                      else 'class_weighting')
            raise ValueError(f'{source} gives {len(self.weights)} weight(s); expected one '
                             f'for each of the {shape[self.classes]} classes')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        prob = bottom[0].data.softmax(self.classes)
        index, valid, weights = self._read(bottom, look=not self.looked)
        self.looked = True
        log = prob.gather(self.classes, index).clamp_(min=FLT_MIN).log_()
        if weights is not None:
            log *= weights
        if valid is not None:
            log.masked_fill_(~valid, 0)
        top[0].data = -log.sum() / self._divisor(index, valid, weights)
        if len(top) > 1:
            top[1].data = prob
        self.prob: torch.Tensor | None = prob if self.phase == TRAIN else None

    def _read(self, bottom: list[Blob], look: bool = False) -> Labels:
        """Return the labels' indices, the mask of those that count and their weights, if any."""
        scores, label = bottom
        index, valid = class_indices(label.data, scores.shape, self.classes, self.ignore, look)
        if self.weights is None:
            return index, valid, None
        self.weights = self.weights.to(scores.device, scores.dtype)
        return index, valid, self.weights[index]

    def _divisor(self, index: torch.Tensor, valid: torch.Tensor | None,
                 weights: torch.Tensor | None) -> torch.Tensor | float:
        if not self.weighed or weights is None:
            batch = prod(index.shape[:self.classes])
            return normalizer(self.mode, batch, index.numel(), valid)
        total = (weights if valid is None else weights[valid]).sum()
        return torch.where(total > 0, total, 1)         # nothing counted: 0, where v1 gives NaN

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if not propagate_down[0]:
            return
        index, valid, weights = self._read(bottom)
        scale = top[0].diff / self._divisor(index, valid, weights)
        prob = self.seen(bottom[0]).softmax(self.classes) if self.prob is None else self.prob
        if len(top) == 1:
            self.prob = None                   # a second backward pass computes it again
        diff = prob.mul_(scale) if len(top) == 1 else prob * scale
        diff.scatter_add_(self.classes, index, -scale.expand(index.shape))
        if weights is not None:
            diff *= weights
        if valid is not None:
            diff.masked_fill_(~valid, 0)
        bottom[0].diff = diff


def read_weights(source: str) -> list[float]:
    """Read the numbers of a weight_source: one a class, none negative."""
    try:
        words = Path(source).read_text(encoding='utf-8').split()
    except FileNotFoundError:
        raise FileNotFoundError(f'{source}: no such weight_source; expected a file of one weight '
                                'a class') from None
    try:
        weights = [float(word) for word in words]
    except ValueError as error:
        raise ValueError(f'{source}: {error}; expected one weight a class') from None
    if not all(weight >= 0 for weight in weights):      # NaN too
        raise ValueError(f'{source}: a weight is {min(weights):g}; expected 0 or more')
    return weights
