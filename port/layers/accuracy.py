"""Accuracy: share of labels among the top_k scores (src/caffe/layers/accuracy_layer.cpp)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import check_label_count, class_indices, ignored


@layer('Accuracy')
class Accuracy(Layer):
    """A label is right where fewer than top_k other classes score as much or more: ties count
    against it. top[1], if any, is the accuracy of each class, 0 for a class without labels.
    """

    def allow_force_backward(self, index: int) -> bool:
        return False

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.ignore, self.looked = ignored(self.param.accuracy_param), False

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape, top_k = bottom[0].shape, self.param.accuracy_param.top_k
        self.classes = self.axis(self.param.accuracy_param.axis, len(shape))
        check_label_count(bottom[0], bottom[1], self.classes)
        if top_k > shape[self.classes]:
            raise ValueError(f'top_k is {top_k}; expected at most the number of classes, '
                             f'{shape[self.classes]}')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores, axis = bottom[0].data, self.classes
        index, valid = class_indices(bottom[1].data, scores.shape, axis, self.ignore,
                                     look=not self.looked)
        self.looked = True
        rivals = (scores >= scores.gather(axis, index)).sum(axis, keepdim=True) - 1
        right = rivals < self.param.accuracy_param.top_k
        counted = torch.ones_like(right) if valid is None else valid
        right &= counted
        top[0].data = (right.sum() / counted.sum().clamp_(min=1)).to(scores.dtype)
        if len(top) > 1:
            zeros = scores.new_zeros(scores.shape[axis])
            hits, labels = (zeros.index_add(0, index.flatten(), mask.flatten().to(zeros.dtype))
                            for mask in (right, counted))
            top[1].data = hits / labels.clamp_(min=1)
