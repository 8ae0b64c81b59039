"""ContrastiveLoss of feature pairs (src/caffe/layers/contrastive_loss_layer.cpp)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer


@layer('ContrastiveLoss')
class ContrastiveLoss(LossLayer):
    """Bottoms a, b (N x C) and whether each pair is similar; d = |a - b|.

    loss = sum(d^2 if similar, else max(0, margin - d)^2) / 2N; with legacy_version
    max(0, margin - d^2) for the dissimilar. Caffe's gradient divides by d + 1e-4, not by d.
    """

    def allow_force_backward(self, index: int) -> bool:
        return index != 2

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        a, b, similar = bottom
        if a.count != b.count:
            raise ValueError(f'{a.name!r} {list(a.shape)} and {b.name!r} {list(b.shape)} must '
                             'have as many channels')
        if similar.count != a.shape[0]:
            raise ValueError(f'{similar.name!r} {list(similar.shape)} must hold one value for '
                             f'each of the {a.shape[0]} pairs')
        for blob in (a, b):
            if blob.count != blob.shape[0] * (blob.shape[1] if len(blob.shape) > 1 else 1):
                raise ValueError(f'{blob.name!r} {list(blob.shape)} must be N x C, its height '
                                 'and width 1')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        pairs, given = bottom[0].shape[0], self.param.contrastive_loss_param
        self.difference = (bottom[0].data.reshape(pairs, -1) - bottom[1].data.reshape(pairs, -1))
        square = self.difference.square().sum(1)
        apart = given.margin - (square if given.legacy_version else square.sqrt())
        near = apart.clamp(min=0)
        loss = torch.where(self._similar(bottom[2]), square,
                           near if given.legacy_version else near.square())
        top[0].data = loss.sum() / pairs / 2
        pull = -torch.ones_like(apart) if given.legacy_version else -apart / (square.sqrt() + 1e-4)
        self.pull = torch.where(apart > 0, pull, 0)

    @staticmethod
    def _similar(label: Blob) -> torch.Tensor:
        """Return which pairs are alike; backward looks anew, as Caffe's does."""
        return label.data.reshape(-1).trunc() != 0

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        factor = torch.where(self._similar(bottom[2]), 1, self.pull)
        for blob, asked, sign in zip(bottom[:2], propagate_down[:2], (1, -1), strict=True):
            if asked:
                alpha = sign * top[0].diff / blob.shape[0]
                blob.diff = (self.difference * (alpha * factor)[:, None]).reshape(blob.shape)
