"""BatchNorm by the statistics of the batch, with the Scale and ReLU behind it (docs/groups.md)."""

from typing import Any

import torch

from port.fast.kernels import batch_norm
from port.fast.kernels.planes import last
from port.fast.operators import Learn, PointOperator, Saved, Tensors, teach
from port.fast.reach.plan import Work


class BatchNormOperator(PointOperator):
    """By kernels of ours (batch_norm.c) where they take the tensor, else by the layers' own code.

    The batch is counted into the statistics that BatchNorm will test with.
    """

    def _fits(self, x: torch.Tensor) -> bool:
        return (self.kernels and x.device.type == 'cpu' and x.dtype == torch.float32
                and self.layer.over_ranks is None and batch_norm.fills_vectors(tuple(x.shape))
                and x.numel() > x.shape[1]
                and all(blob.data.is_contiguous() for layer in (self.layer, *self.operation.affine)
                        for blob in layer.blobs))

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        if not self._fits(bottoms[0]):
            return super().train(work, bottoms)
        scale = [blob.data for layer in self.operation.affine for blob in layer.blobs]
        return batch_norm.normalise(last(bottoms[0]), scale, self.operation.relu, self.layer.eps,
                                    [blob.data for blob in self.layer.blobs], self.layer.fraction)

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        if not isinstance(saved.own, batch_norm.Normal):
            return super().backward(saved, gradient, down, learn)
        found, *learnt = batch_norm.gradients(last(gradient), last(saved.bottoms[0]), saved.own,
                                              self.operation.relu)
        for layer in self.operation.affine:
            teach(layer, learnt, learn)
        return [found]
