"""SegAccuracy: pixel accuracy, mean recall and mean Jaccard index of a confusion matrix (DeepLab's
seg_accuracy_layer.cpp and confusion_matrix.cpp).
"""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import class_indices


@layer('SegAccuracy')
class SegAccuracy(Layer):
    """bottom: scores N x C x H x W, labels N x 1 x H x W. top: 1 x 1 x 1 x 3.

    Of equal scores the higher class is the prediction. Recall is the mean over classes that occur
    in the labels; a class in neither labels nor predictions has a Jaccard index of 1; where
    nothing is counted they are 0, 0 and 1. `reset: false` goes on counting over the passes.
    """

    def allow_force_backward(self, index: int) -> bool:
        return False

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.ignore = tuple(self.param.seg_accuracy_param.ignore_label)
        self.counts: torch.Tensor | None = None           # [label, prediction]
        self.looked = False

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores, labels = bottom[0].shape, bottom[1].shape
        if len(scores) != 4 or labels != (scores[0], 1, *scores[2:]):
            raise ValueError(f'scores {bottom[0].name!r} {list(scores)} and labels '
                             f'{bottom[1].name!r} {list(labels)}; expected N x C x H x W and '
                             'N x 1 x H x W')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores = bottom[0].data
        index, valid = class_indices(bottom[1].data, scores.shape, 1, self.ignore,
                                     look=not self.looked)
        self.looked = True
        classes = scores.shape[1]
        predicted = classes - 1 - scores.flip(1).argmax(1, keepdim=True)
        pairs = index * classes + predicted
        pairs = pairs.flatten() if valid is None else pairs[valid]
        counts = torch.bincount(pairs, minlength=classes * classes).view(classes, classes)
        if self.counts is not None and not self.param.seg_accuracy_param.reset:
            counts += self.counts.to(counts.device)
        self.counts = counts
        top[0].data = measures(counts).to(scores.dtype).view(1, 1, 1, 3)


def measures(counts: torch.Tensor) -> torch.Tensor:
    """Return accuracy, mean recall and mean Jaccard index of C x C counts [label, prediction]."""
    counts = counts.double()
    hits, labels = counts.diagonal(), counts.sum(1)
    union = labels + counts.sum(0) - hits
    recall = (hits / labels.clamp(min=1)).sum() / (labels > 0).sum().clamp(min=1)
    jaccard = torch.where(union > 0, hits / union.clamp(min=1), 1.0).mean()
    return torch.stack([hits.sum() / labels.sum().clamp(min=1), recall, jaccard])
