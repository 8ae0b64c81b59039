"""MultinomialLogisticLoss: mean of -log p[label]
(src/caffe/layers/multinomial_logistic_loss_layer.cpp).
"""

import torch

from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import LOG_THRESHOLD, class_indices


@layer('MultinomialLogisticLoss')
class MultinomialLogisticLoss(LossLayer):
    """Bottoms: probabilities, an item's values being its classes, and one label an item.

    loss = sum(-log max(p[label], 1e-20)) / N; only the label's probability takes a gradient,
    -loss_weight / (N max(p, 1e-20)).
    """

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        label = bottom[1]
        if label.count != bottom[0].shape[0]:
            raise ValueError(f'{label.name!r} {list(label.shape)} must hold one label for each '
                             f'item of {bottom[0].name!r}, {bottom[0].shape[0]} in all')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        items = bottom[0].shape[0]
        probs = bottom[0].data.reshape(items, -1)
        self.index, _ = class_indices(bottom[1].data, probs.shape, 1, ())
        self.prob = probs.gather(1, self.index).clamp_(min=LOG_THRESHOLD)
        top[0].data = -self.prob.log().sum() / items

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            items = bottom[0].shape[0]
            diff = torch.zeros_like(bottom[0].data).reshape(items, -1)
            diff.scatter_(1, self.index, -top[0].diff / items / self.prob)
            bottom[0].diff = diff.reshape(bottom[0].shape)
