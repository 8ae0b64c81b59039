"""UniqueLabel: which labels an image holds (DeepLab's unique_label_layer.cpp)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer


@layer('UniqueLabel')
class UniqueLabel(Layer):
    """bottom: labels N x 1 x H x W. top: N x max_labels x 1 x 1, the values that occur and those of
    force_label, without ignore_label, rising; -1 fills the rest.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.unique_label_param
        self.most, self.forced = given.max_labels, sorted(set(given.force_label))
        if self.most <= len(self.forced):
            raise ValueError(f'max_labels is {self.most}; expected more than the '
                             f'{len(self.forced)} of force_label')

    def allow_force_backward(self, index: int) -> bool:
        return False

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape = bottom[0].shape
        if len(shape) != 4 or shape[1] != 1:
            raise ValueError(f'labels {bottom[0].name!r} {list(shape)}; expected N x 1 x H x W')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        labels = bottom[0].data
        out = labels.new_full(top[0].shape, -1)
        ignored = labels.new_tensor(list(self.param.unique_label_param.ignore_label))
        for n, image in enumerate(labels):
            held = image[~torch.isin(image, ignored)]
            values = torch.cat([held.flatten(), held.new_tensor(self.forced)]).unique()
            if len(values) > self.most:
                raise ValueError(f'image {n} of {bottom[0].name!r} holds {len(values)} labels; '
                                 f'raise max_labels, which is {self.most}')
            out[n, :len(values), 0, 0] = values
        top[0].data = out

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[0]:
            raise ValueError('UniqueLabel cannot backpropagate to its labels')
