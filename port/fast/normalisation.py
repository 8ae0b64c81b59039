"""BatchNorm by the statistics of the batch, with the Scale and ReLU behind it (docs/groups.md)."""

from dataclasses import dataclass
from typing import Any

import torch

from port.fast.convolutions.task import scale_and_shift
from port.fast.kernels import batch_norm
from port.fast.kernels.planes import last
from port.fast.operators import Learn, PointOperator, Saved, Tensors, teach
from port.fast.reach.plan import Work


@dataclass(frozen=True)
class Normal:
    """What a pass did to each channel, in float64: y = scale z + shift, of which the normal form is
    (z - mean) rate.
    """

    mean: torch.Tensor
    rate: torch.Tensor
    scale: torch.Tensor
    shift: torch.Tensor


class BatchNormOperator(PointOperator):
    """By kernels of ours (batch_norm.c) where they take the tensor, else by the layers' own code.

    The batch is counted into the statistics that BatchNorm will test with.
    """

    def _fits(self, x: torch.Tensor) -> bool:
        return (self.kernels and x.device.type == 'cpu' and x.dtype == torch.float32
                and self.layer.over_ranks is None and batch_norm.fills_vectors(tuple(x.shape))
                and x.numel() > x.shape[1])

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        if not self._fits(bottoms[0]):
            return super().train(work, bottoms)
        z = last(bottoms[0])
        mean, variance = batch_norm.moments(z)
        self._count(z.numel() // z.shape[1], mean, variance)
        rate, affine = torch.rsqrt(variance + self.layer.eps), self.operation.affine
        gamma, beta = scale_and_shift(affine[0]) if affine else (torch.ones_like(mean), 0.)
        made = Normal(mean, rate, gamma * rate, beta - gamma * rate * mean)
        return batch_norm.affine(z, made.scale, made.shift, self.operation.relu), made

    def _count(self, pixels: int, mean: torch.Tensor, variance: torch.Tensor) -> None:
        unbiased = variance * (pixels / (pixels - 1))
        for blob, new in zip(self.layer.blobs, (mean, unbiased, torch.ones(())), strict=True):
            blob.data.mul_(self.layer.fraction).add_(new)

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        """With g = dy under the ReLU and x' = (z - mean) rate:
        dz = gamma rate (g - mean(g) - x' mean(g x')).
        """
        made = saved.own
        if not isinstance(made, Normal):
            return super().backward(saved, gradient, down, learn)
        dy, z, relu = last(gradient), last(saved.bottoms[0]), self.operation.relu
        total, along = batch_norm.gradient_sums(dy, z, made.scale, made.shift, made.mean, relu)
        for layer in self.operation.affine:
            teach(layer, [part.float() for part in (along * made.rate, total)], learn)
        pixels = z.numel() // z.shape[1]
        q = -made.scale * made.rate * made.rate * along / pixels
        r = -made.scale * total / pixels - q * made.mean
        return [batch_norm.gradient(dy, z, {'scale': made.scale, 'shift': made.shift,
                                            'p': made.scale, 'q': q, 'r': r}, relu)]
