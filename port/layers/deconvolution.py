"""Deconvolution (Caffe's deconv_layer.cpp): the transpose of a convolution, for upsampling.

y[o, i stride - pad + k dilation] += w[c, o, k] x[c, i]; weights are channels x outputs x kernel.
"""

import weakref

import torch

from netspec.schema.messages import TRAIN
from netspec.window import Sizes
from port.engine.registry import layer
from port.layers.bases.base_convolution import ConvBase


@layer('Deconvolution')
class Deconvolution(ConvBase):
    """Caffe's deconvolution: stride (size - 1) + extent - 2 pad outputs along each axis.

    The fixed bilinear upsampling of FCNs has one kernel a channel and zeros between channels.
    Where the weights are not learned and are found to be so, each channel is computed alone:
    the same sums without the products by zero.
    """

    transposed = True
    _checked: tuple[weakref.ref | None, int, bool] = (None, 0, False)

    def output_sizes(self, sizes: Sizes) -> Sizes:
        return self.window.spreads(sizes)

    def apply(self, x: torch.Tensor, weight: torch.Tensor,
              bias: torch.Tensor | None) -> torch.Tensor:
        if not self.per_channel(weight):
            return super().apply(x, weight, bias)
        return torch.convolution(x, own_kernels(weight), bias, *self.geometry(), self.channels)

    def onnx_weight(self) -> tuple[torch.Tensor, int]:
        weight = self.blobs[0].data
        return (own_kernels(weight), self.channels) if self.per_channel(weight) else \
            super().onnx_weight()

    def gradients(self, diff: torch.Tensor, x: torch.Tensor, weight: torch.Tensor,
                  mask: list[bool]) -> tuple[torch.Tensor | None, ...]:
        if not mask[0] or not self.per_channel(weight):
            return super().gradients(diff, x, weight, mask)
        down, _, _ = torch.ops.aten.convolution_backward(
            diff, x, own_kernels(weight), None, *self.geometry(), self.channels,
            [True, False, False])
        if not any(mask[1:]):
            return down, None, None
        return down, *super().gradients(diff, x, weight, [False, *mask[1:]])[1:]

    def per_channel(self, weight: torch.Tensor) -> bool:
        """Tell whether the weights are fixed and no channel reaches another one."""
        if self.group > 1 or self.channels != self.num_output or self.channels == 1:
            return False
        if self.phase == TRAIN and self.param_propagate_down[:1] == [True]:
            return False
        # numpy writes to a CPU tensor unseen, and inference tensors have no version: look again
        if weight.device.type == 'cpu' or weight.is_inference():
            return is_diagonal(weight)
        seen, version, found = self._checked
        if seen is None or seen() is not weight or version != weight._version:
            found = is_diagonal(weight)
            self._checked = weakref.ref(weight), weight._version, found
        return found


def is_diagonal(weight: torch.Tensor) -> bool:
    """Tell whether all kernels between different channels are zero."""
    own = torch.count_nonzero(weight.diagonal(dim1=0, dim2=1))
    return bool(torch.count_nonzero(weight) == own)


def own_kernels(weight: torch.Tensor) -> torch.Tensor:
    """Return the kernel of each channel onto itself: channels x 1 x kernel."""
    return weight.diagonal(dim1=0, dim2=1).movedim(-1, 0).unsqueeze(1).contiguous()
