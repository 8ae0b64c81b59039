"""AdaptiveBiasChannel: raise the scores of an image's classes until each wins a share of the pixels
(DeepLab's adaptive_bias_channel_layer.cpp; EM-Adapt of Papandreou et al. 2015, arXiv 1502.02734).
"""

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import check_classes, counted


@layer('AdaptiveBiasChannel')
class AdaptiveBiasChannel(Layer):
    """bottom: scores N x C x H x W, labels of each image N x L x 1 x 1 (-1 for none).

    top: scores, of absent classes at most the least of those present less margin_others
    (suppress_others), of each present class raised by what it lacks to the best score in the
    bg_portion (class 0) or fg_portion of the pixels where that is least. The classes take turns
    num_iter times, class 0 first and the others in a random order; then one constant keeps the
    mean of the best score. No gradient passes.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.adaptive_bias_channel_param
        for name, value, most in (('num_iter - 1', given.num_iter - 1, None),
                                  ('margin_others', given.margin_others, None),
                                  ('bg_portion', given.bg_portion, 1),
                                  ('fg_portion', given.fg_portion, 1)):
            if value < 0 or most is not None and value > most:
                raise ValueError(f'{name} is {value:g}; expected 0 '
                                 f'{"or more" if most is None else f"to {most}"}')

    def allow_force_backward(self, index: int) -> bool:
        return False

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores, labels = bottom[0].shape, bottom[1].shape
        if len(scores) != 4 or scores[1] < 2 or len(labels) != 4 or \
                labels != (scores[0], labels[1], 1, 1) or not labels[1]:
            raise ValueError(f'scores {bottom[0].name!r} {list(scores)} and labels '
                             f'{bottom[1].name!r} {list(labels)}; expected N x C x H x W with at '
                             'least 2 classes and N x L x 1 x 1, the labels of each image')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        out = bottom[0].data.clone(memory_format=torch.contiguous_format)
        labels = bottom[1].data.long()
        valid = counted(labels, (-1,))
        check_classes(labels[valid], out.shape[1], (-1,))
        for scores, row, mask in zip(out.flatten(2), labels, valid, strict=True):
            present = row[mask].unique()               # rising, so that class 0 comes first
            if len(present):
                self._adapt(scores, present)
        top[0].data = out

    def _adapt(self, scores: torch.Tensor, present: torch.Tensor) -> None:
        """Change the scores C x pixels of one image."""
        given = self.param.adaptive_bias_channel_param
        if given.suppress_others:
            self._suppress(scores, present)
        best = scores[present].amax(0)
        before = best.double().mean()
        fixed, pixels = int(present[0] == 0), scores.shape[1]
        for _ in range(given.num_iter):
            turn = torch.randperm(len(present) - fixed, device=present.device) + fixed
            for label in (*present[:fixed].tolist(), *present[turn].tolist()):
                portion = given.fg_portion if label else given.bg_portion
                place = int(np.float32(portion) * np.float32(pixels))
                lack = best - scores[label]
                scores[label] += lack.kthvalue(min(place + 1, pixels)).values
                best = torch.maximum(best, scores[label])
        scores += (before - best.double().mean()).to(scores.dtype)

    def _suppress(self, scores: torch.Tensor, present: torch.Tensor) -> None:
        absent = torch.ones(len(scores), dtype=torch.bool, device=scores.device)
        absent[present] = False
        least = scores[present].amin(0)
        margin = self.param.adaptive_bias_channel_param.margin_others
        scores[absent] = torch.where(scores[absent] > least, least - margin, scores[absent])

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        for blob, asked in zip(bottom, propagate_down, strict=True):
            if asked:
                blob.diff = torch.zeros_like(blob.data)
