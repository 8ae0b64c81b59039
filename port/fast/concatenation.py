"""Concat in the memory order of its bottoms.

The layer's own code would lay all of them out anew, forward and back: in SqueezeNet, a net of many
small convolutions, about a quarter of a step of training.
"""

from typing import Any

import torch

from port.fast.kernels.combine import put_side_by_side
from port.fast.operators import Learn, PointOperator, Saved, Tensors
from port.fast.reach.plan import Work


class ConcatOperator(PointOperator):
    """The bottoms' channels one after another."""

    def channels(self, bottoms: Tensors) -> int:
        return sum(x.shape[1] for x in bottoms)

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        if not self.by_kernels(bottoms, out):
            return super().write(work, bottoms, out)
        return put_side_by_side(bottoms, out)

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        return torch.cat(bottoms, 1), None

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        return list(gradient.split([x.shape[1] for x in saved.bottoms], 1))
