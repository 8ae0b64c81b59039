"""What a convolution is to compute: a layer, with what the layers behind it do to its outputs."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F

from netspec.window import Window
from port.fast.kernels import calls
from port.layers.bases.base_convolution import ConvBase

Pads = tuple[int, int, int, int]        # left, right, above, below, as F.pad takes them


@dataclass
class Task:
    """A Convolution layer over rows and columns, and what its result is for.

    relu: the positive part is wanted. halved: of that, the maxima of 2 x 2. dtype: of torch's
    arithmetic (None: the weights'); kernels of ours compute in float32, but for ByLargeWeights.
    kernels: whether they may be used. fixed: the weights stay as they are, so that they are
    transformed only once. uses: how many convolutions of a pass have the same weights and task.
    affine: layers behind that multiply and shift each channel (with fixed weights only), which the
    weights and the bias take in.
    """

    layer: ConvBase
    relu: bool = False
    halved: bool = False
    dtype: torch.dtype | None = None
    kernels: bool = True
    fixed: bool = False
    affine: tuple[Any, ...] = ()
    uses: int = 1

    @property
    def weight(self) -> torch.Tensor:
        """Outputs x channels of a group x rows x columns."""
        weight = self.layer.blobs[0].data
        if not self.affine:
            return weight
        return (weight * self._scale_and_shift[0].view(-1, 1, 1, 1)).to(weight.dtype)

    @property
    def bias(self) -> torch.Tensor | None:
        """One value an output; None where there is none."""
        if self.affine:
            return self._shift
        return self.layer.blobs[1].data if len(self.layer.blobs) > 1 else None

    @cached_property
    def _scale_and_shift(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Return by how much each output is multiplied, and what is then added, in float64."""
        weight, *bias = (blob.data.double() for blob in self.layer.blobs)
        scale = weight.new_ones(len(weight))
        shift = bias[0] if bias else weight.new_zeros(len(weight))
        for layer in self.affine:
            times, plus = scale_and_shift(layer)
            scale, shift = scale * times, shift * times + plus
        return scale, shift

    @cached_property
    def _shift(self) -> torch.Tensor:
        return self._scale_and_shift[1].to(self.kernel.dtype)

    @property
    def kernel(self) -> torch.Tensor:
        """The layer's own weights: of the shape and type of those that are convolved with."""
        return self.layer.blobs[0].data

    @property
    def window(self) -> Window:
        """The sliding window."""
        return self.layer.window

    @property
    def cpu(self) -> bool:
        """Whether the CPU computes it."""
        return self.kernel.device.type == 'cpu'

    @property
    def dense(self) -> bool:
        """Whether windows are at every position, without holes, and read all channels."""
        return {*self.window.stride, *self.window.dilation} == {1} and self.layer.group == 1

    @property
    def for_kernels(self) -> bool:
        """Whether kernels of ours may compute it, if it has their shape."""
        return (self.kernels and self.layer.group == 1 and self.cpu and calls.available()
                and self.kernel.dtype == torch.float32)

    def finish(self, y: torch.Tensor, plus: torch.Tensor | None = None) -> torch.Tensor:
        """Return what is wanted of a convolution's outputs, to which `plus` is added."""
        y = y if plus is None else y.add_(plus)
        y = y.relu_() if self.relu else y
        return F.max_pool2d(y, 2, 2, ceil_mode=True) if self.halved else y

    def size(self, x: torch.Tensor, pads: Pads) -> tuple[int, int]:
        """Return how many rows and columns of outputs there are."""
        left, right, above, below = pads
        (rows, columns), (down, across) = self.window.extent, self.window.stride
        return ((x.shape[2] + above + below - rows) // down + 1,
                (x.shape[3] + left + right - columns) // across + 1)


def scale_and_shift(layer: Any) -> tuple[torch.Tensor, torch.Tensor | float]:
    """Return by how much BatchNorm with stored statistics, Scale or Bias multiplies a channel, and
    what it adds, in float64.
    """
    blobs = [blob.data.double() for blob in layer.blobs]
    if layer.type == 'BatchNorm':
        total, squares, weight = blobs
        share = torch.where(weight == 0, 0, 1 / weight)
        rate = torch.rsqrt(squares * share + layer.eps)
        return rate, -total * share * rate
    if layer.type == 'Bias':
        return torch.ones_like(blobs[0]), blobs[0]
    return blobs[0], blobs[1] if len(blobs) > 1 else 0.
