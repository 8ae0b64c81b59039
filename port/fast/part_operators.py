"""Operators for a part of the image (tiles.py): Upsample, which puts values at the places of maxima
of the whole image, and Interp.
"""

from typing import cast

import torch

from port.fast.kernels.planes import LAST
from port.fast.operators import InterpOperator, Operator, Tensors
from port.fast.reach.geometry import Resizing, Spreading
from port.fast.reach.plan import Work


class UnpooledPart(Operator):
    """Upsample: values at the places of maxima, as far as those lie in the part asked for."""

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        x, places = bottoms
        (rows, columns), width = work.outputs, cast(Spreading, work.rules[1]).out
        row, column = places // width - rows.first, places % width - columns.first
        inside = (row >= 0) & (row < rows.size) & (column >= 0) & (column < columns.size)
        count = rows.size * columns.size
        index = torch.where(inside, row * columns.size + column, count)
        wide = x.new_zeros(*x.shape[:2], count + 1)              # the last: for all outside
        wide.scatter_(2, index.flatten(2), x.flatten(2))
        return wide[..., :count].reshape(*x.shape[:2], rows.size, columns.size).contiguous(
            memory_format=LAST)


class ResizedPart(InterpOperator):
    """Interp: of parts by the places that a Resizing gives, of whole images by the layer."""

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        y = bottoms[0].float()
        for dim, rule, part, read in zip((2, 3), work.rules, work.outputs, work.reads, strict=True):
            if not isinstance(rule, Resizing):
                return super().forward(work, bottoms)
            at = torch.from_numpy(rule.places(part)).to(y.device)
            low = at.floor().clamp_(max=rule.size - 1)
            first = low.long() + (rule.cut - read.first)
            after = (first + 1).clamp_(max=y.shape[dim] - 1)
            share = (at - low).view([-1 if i == dim else 1 for i in range(4)])
            y = torch.lerp(y.index_select(dim, first), y.index_select(dim, after), share)
        return y.to(bottoms[0].dtype).contiguous(memory_format=LAST)
