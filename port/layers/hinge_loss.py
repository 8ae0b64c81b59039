"""HingeLoss: one-against-all margins (src/caffe/layers/hinge_loss_layer.cpp)."""

from netspec.schema.messages import HingeLossParameter
from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import class_indices


@layer('HingeLoss')
class HingeLoss(LossLayer):
    """m = max(0, 1 - s x) with s = 1 for the label, -1 for the others; loss = sum(m or m^2) / N.

    An item's values are its scores, whatever their axes. Where m is 0 the gradient is 0.
    """

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        scores, label = bottom
        if label.count != scores.shape[0]:
            raise ValueError(f'{label.name!r} {list(label.shape)} holds {label.count} labels; '
                             f'expected {scores.shape[0]}, one for each item of {scores.name!r}')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores = bottom[0].data.flatten(1) if len(bottom[0].shape) > 1 else bottom[0].data[:, None]
        index, _ = class_indices(bottom[1].data, scores.shape, 1, ())
        signed = scores.scatter(1, index, -scores.gather(1, index))
        self.margin = (1 + signed).clamp_(min=0)
        if self.param.hinge_loss_param.norm == HingeLossParameter.L2:
            self.slope = 2 * self.margin
            total = self.margin.square().sum()
        else:
            self.slope = self.margin.sign()
            total = self.margin.sum()
        top[0].data = total / scores.shape[0]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        self.refuse_label_gradient(propagate_down)
        if propagate_down[0]:
            index, _ = class_indices(bottom[1].data, self.slope.shape, 1, ())   # anew, as Caffe
            slope = self.slope.scatter(1, index, -self.slope.gather(1, index))
            bottom[0].diff = (slope * (top[0].diff / slope.shape[0])).reshape(bottom[0].shape)
