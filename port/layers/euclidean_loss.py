"""EuclideanLoss: sum((a - b)^2) / 2N (src/caffe/layers/euclidean_loss_layer.cpp)."""

from math import prod

from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer


@layer('EuclideanLoss')
class EuclideanLoss(LossLayer):
    """Both bottoms take a gradient: +-(a - b) * loss_weight / N."""

    def allow_force_backward(self, index: int) -> bool:
        return True

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        a, b = bottom
        if prod(a.shape[1:]) != prod(b.shape[1:]):
            raise ValueError(f'{a.name!r} {list(a.shape)} and {b.name!r} {list(b.shape)} must '
                             'have as many values an item')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        a, b = bottom
        self.difference = a.data - b.data.reshape(a.shape)
        top[0].data = self.difference.square().sum() / (2 * a.shape[0])

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        for blob, asked, sign in zip(bottom, propagate_down, (1, -1), strict=True):
            if asked:
                scaled = self.difference * (sign * top[0].diff / blob.shape[0])
                blob.diff = scaled.reshape(blob.shape)
