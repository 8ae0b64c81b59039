"""Convolution (Caffe's conv_layer.cpp): the cross-correlation of each group of channels.

y[o, i] = b[o] + sum over c, k of w[o, c, k] x[c, i stride - pad + k dilation]
"""

import torch
import torch.nn.functional as F

from netspec.window import Sizes
from port.engine.caffe_order import by_columns
from port.engine.registry import layer
from port.layers.bases.base_convolution import ConvBase


@layer('Convolution')
class Convolution(ConvBase):
    """Caffe's convolution; the output size is rounded down.

    columns: sum in Caffe's own order, which is slower (port/engine/caffe_order.py).
    """

    columns = False

    def output_sizes(self, sizes: Sizes) -> Sizes:
        tails = self.window.overhang(sizes)
        self.tail = [n for tail in reversed(tails) for n in (0, tail)] if any(tails) else None
        return self.window.slides(sizes)

    def apply(self, x: torch.Tensor, weight: torch.Tensor,
              bias: torch.Tensor | None) -> torch.Tensor:
        if self.columns and not self.tail:
            return by_columns(x, weight, bias, self.window, self.group)
        return super().apply(F.pad(x, self.tail) if self.tail else x, weight, bias)

    def gradients(self, diff: torch.Tensor, x: torch.Tensor, weight: torch.Tensor,
                  mask: list[bool]) -> tuple[torch.Tensor | None, ...]:
        if not self.tail:
            return super().gradients(diff, x, weight, mask)
        down, *rest = super().gradients(diff, F.pad(x, self.tail), weight, mask)
        return (None if down is None else F.pad(down, [-n for n in self.tail]), *rest)
