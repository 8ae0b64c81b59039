"""InfogainLoss: cross entropy weighted by a matrix H of label and prediction
(src/caffe/layers/infogain_loss_layer.cpp).
"""

from math import prod

import torch

from netspec.schema import blob_array, read_blob
from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import (
    LOG_THRESHOLD,
    check_label_count,
    class_indices,
    ignored,
    mode_of,
    normalizer,
)


@layer('InfogainLoss')
class InfogainLoss(LossLayer):
    """loss = sum over valid labels and classes k of -H[label, k] log max(p[k], 1e-20), over the
    normalizer, with p the softmax of bottom[0]. H is bottom[2], else the binaryproto `source`.

    top[1], if any, is p. Backward: p * sum_k H[label, k] - H[label], scaled.
    """

    def allow_force_backward(self, index: int) -> bool:
        return index == 0

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        loss, source = self.param.loss_param, self.param.infogain_loss_param.source
        if loss.HasField('normalize'):
            raise ValueError('loss_param { normalize } is not taken by InfogainLoss; expected '
                             '`normalization`: VALID for normalize: true, BATCH_SIZE for false')
        self.ignore, self.mode = ignored(loss), mode_of(loss)
        self.matrix = None
        if len(bottom) < 3:
            if not source:
                raise ValueError('the infogain matrix is missing; expected a third bottom or '
                                 'infogain_loss_param { source: "matrix.binaryproto" }')
            self.matrix = torch.tensor(blob_array(read_blob(source)), dtype=self.dtype)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        shape = bottom[0].shape
        self.classes = self.axis(self.param.infogain_loss_param.axis, len(shape), 'infogain axis')
        check_label_count(bottom[0], bottom[1], self.classes)
        have = self.matrix.numel() if self.matrix is not None else bottom[2].count
        if have != shape[self.classes] ** 2:
            raise ValueError(f'the infogain matrix holds {have} values; expected classes x '
                             f'classes, {shape[self.classes]} x {shape[self.classes]}')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.prob = bottom[0].data.softmax(self.classes)
        rows, valid, divisor = self._read(bottom)
        losses = rows * self.prob.clamp(min=LOG_THRESHOLD).log_()
        if valid is not None:
            losses.masked_fill_(~valid, 0)
        top[0].data = -losses.sum() / divisor
        if len(top) > 1:
            top[1].data = self.prob

    def _read(self, bottom: list[Blob]) -> tuple[torch.Tensor, torch.Tensor | None,
                                                 torch.Tensor | float]:
        """Return each label's row of H along the classes, the mask of the labels that count (None:
        all) and the divisor. Backward reads them anew, as Caffe's does.
        """
        axis, scores = self.classes, bottom[0].data
        index, valid = class_indices(bottom[1].data, scores.shape, axis, self.ignore)
        if self.matrix is not None:
            self.matrix = self.matrix.to(scores)
        matrix = bottom[2].data if self.matrix is None else self.matrix
        matrix = matrix.reshape(scores.shape[axis], -1)
        rows = matrix[index.squeeze(axis)].movedim(-1, axis)
        return rows, valid, normalizer(self.mode, prod(index.shape[:axis]), index.numel(), valid)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if len(propagate_down) > 2 and propagate_down[2]:
            raise ValueError('InfogainLoss cannot backpropagate to the infogain matrix')
        if propagate_down[0]:
            rows, valid, divisor = self._read(bottom)
            diff = self.prob * rows.sum(self.classes, keepdim=True) - rows
            if valid is not None:
                diff.masked_fill_(~valid, 0)
            bottom[0].diff = diff.mul_(top[0].diff / divisor)
