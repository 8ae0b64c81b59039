"""BiasChannel: raise the scores of the classes that an image is known to hold (DeepLab's
bias_channel_layer.cpp; the E-step of weak supervision, Papandreou et al. 2015, arXiv 1502.02734).
"""

import torch

from netspec.schema.messages import BiasChannelParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.loss_normalization import check_classes, counted


@layer('BiasChannel')
class BiasChannel(Layer):
    """bottom: scores N x C x H x W and labels; top: scores plus biases.

    label_type IMAGE: labels N x L x 1 x 1, those of the image, -1 for none; a class named twice is
    raised twice. Class 0 gets bg_bias, others fg_bias. PIXEL: labels N x 1 x H x W; at each pixel
    its class gets fg_bias, and background_label gets bg_bias (only if one of the two fields is
    written: v2's rule). Labels in ignore_label, and -1, raise nothing.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.bias_channel_param
        if given.bg_bias < 0 or given.fg_bias < 0:
            raise ValueError(f'bg_bias is {given.bg_bias:g} and fg_bias {given.fg_bias:g}; '
                             'expected 0 or more')
        self.ignore = (-1, *given.ignore_label)
        self.by_pixel = given.label_type == BiasChannelParameter.PIXEL
        has_background = given.HasField('background_label') or given.HasField('bg_bias')
        self.background = given.background_label if has_background else None

    def allow_force_backward(self, index: int) -> bool:
        return index == 0

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        scores, labels = bottom[0].shape, bottom[1].shape
        want = (scores[0], 1, *scores[2:]) if self.by_pixel else (scores[0], labels[1], 1, 1)
        if len(scores) != 4 or tuple(labels) != want or not labels[1]:
            said = 'N x 1 x H x W, a label a pixel' if self.by_pixel else \
                'N x L x 1 x 1, the labels of each image'
            raise ValueError(f'scores {bottom[0].name!r} {list(scores)} and labels '
                             f'{bottom[1].name!r} {list(labels)}; expected N x C x H x W and '
                             f'{said}')
        if self.background is not None and not 0 <= self.background < scores[1]:
            raise ValueError(f'background_label is {self.background}; expected 0 to '
                             f'{scores[1] - 1}')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        given, scores = self.param.bias_channel_param, bottom[0].data
        labels = bottom[1].data.long()
        valid = counted(labels, self.ignore)
        check_classes(labels[valid], scores.shape[1], self.ignore)
        index = labels.where(valid, 0)
        raised = torch.where(valid, given.fg_bias, 0.0).to(scores.dtype)
        if not self.by_pixel:
            raised = torch.where(index == 0, given.bg_bias * valid, raised).to(scores.dtype)
            biases = scores.new_zeros(scores.shape[:2]).scatter_add_(
                1, index.flatten(1), raised.flatten(1))
            top[0].data = scores + biases[:, :, None, None]
            return
        out = scores.clone()
        if self.background is not None:
            raised = raised.masked_fill(index == self.background, 0)
            out[:, self.background] += given.bg_bias * valid[:, 0]
        top[0].data = out.scatter_add_(1, index, raised)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[1]:
            raise ValueError('BiasChannel cannot backpropagate to its labels')
        if propagate_down[0]:
            bottom[0].diff = top[0].diff.clone()

