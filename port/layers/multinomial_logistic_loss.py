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
        _, prob = self._read(bottom)
        top[0].data = -prob.log().sum() / len(prob)

    @staticmethod
    def _read(bottom: list[Blob]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the labels and their probabilities; backward reads both anew, as Caffe's does."""
        probs = bottom[0].data.reshape(bottom[0].shape[0], -1)
        index, _ = class_indices(bottom[1].data, probs.shape, 1, ())
        return index, probs.gather(1, index).clamp_(min=LOG_THRESHOLD)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            items, (index, prob) = bottom[0].shape[0], self._read(bottom)
            diff = torch.zeros_like(bottom[0].data).reshape(items, -1)
            diff.scatter_(1, index, -top[0].diff / items / prob)
            bottom[0].diff = diff.reshape(bottom[0].shape)
