"""Maxima that tell where they stood, and Upsample, which puts values back there (docs/groups.md).

By max_unpooling.c for 2 x 2 windows, else by the layers' own code. The places are kept from the
forward pass, so that routing a gradient back, or a value forward, is a comparison and no search.
"""

from typing import Any

import torch

from port.engine.pool_axis import first_index, maximum, route
from port.fast.kernels import max_unpooling
from port.fast.kernels.calls import vector_width
from port.fast.kernels.planes import laid, last
from port.fast.operators import Learn, PointOperator, PoolingOperator, Saved, Tensors
from port.fast.reach.operations import halves
from port.fast.reach.plan import Work

MOST_PLACES = 1 << 24       # that a float32 can number


def _fits(x: torch.Tensor, places: int) -> bool:
    """Whether the kernels take a tensor's channels and so many places."""
    return (x.device.type == 'cpu' and x.dtype == torch.float32
            and x.shape[1] % vector_width() == 0 and places <= MOST_PLACES)


class MaximaOperator(PoolingOperator):
    """Maxima with the places of the first of each: kept for the way back, or a value of their own,
    which counts them (row * width + column) in the whole image; -1 where there is none but NaN.
    """

    def _halves(self, work: Work, x: torch.Tensor) -> bool:
        alone = self.operation.places is None or list(x.shape[2:]) == work.sizes
        return self.kernels and alone and halves(self.layer) and _fits(x, x[0, 0].numel())

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        (x,) = bottoms
        if self._halves(work, x):
            return max_unpooling.maxima(laid(x))
        if self.operation.places is None:
            return super().train(work, bottoms)
        exact = x.dtype == torch.float32 and x[0, 0].numel() <= MOST_PLACES
        wide, axes = x if exact else x.double(), self._axes(work, x)
        y = maximum(wide, *axes)
        own = first_index(wide, y, *axes).long()
        rows, columns = (part.clip(n) for part, n in zip(work.reads, work.sizes, strict=True))
        places = ((own // x.shape[3] + rows.first) * work.sizes[1] + own % x.shape[3]
                  + columns.first)
        return y.to(x.dtype), places.masked_fill_(own < 0, -1)

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        (x,) = saved.bottoms
        if self._halves(saved.work, x):
            return [max_unpooling.put_back(last(gradient), saved.own, (x.shape[2], x.shape[3]))]
        if self.operation.places is None:
            return super().backward(saved, gradient, down, learn)
        return [route(gradient, x, *self._axes(saved.work, x))]


class UnpoolingOperator(PointOperator):
    """Values put back to where the maxima stood, zeros elsewhere."""

    def _undoes(self, work: Work, x: torch.Tensor, places: torch.Tensor) -> bool:
        rows, columns = work.outputs
        return (self.kernels and self.operation.undoes is not None
                and halves(self.operation.undoes) and places.dtype == torch.float32
                and _fits(x, rows.size * columns.size))

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        return self._put_back(work, bottoms) if self._undoes(work, *bottoms) else \
            super().forward(work, bottoms)

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        return (self._put_back(work, bottoms), None) if self._undoes(work, *bottoms) else \
            super().train(work, bottoms)

    @staticmethod
    def _put_back(work: Work, bottoms: Tensors) -> torch.Tensor:
        values, places = map(last, bottoms)
        rows, columns = work.outputs
        return max_unpooling.put_back(values, places, (rows.size, columns.size))

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        if saved.own is not None:
            values, _ = super().backward(saved, gradient, down, learn)
        else:
            values = max_unpooling.take_out(last(gradient), last(saved.bottoms[1]))
        return [values, None]
