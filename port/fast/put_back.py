"""Maxima that tell where they stood, and Upsample, which puts values back there (docs/groups.md).

By max_unpooling.c for 2 x 2 windows, elsewhere and for parts of an image (tiles.py) by torch. The
places are kept from the forward pass, so that routing a gradient back, or a value forward, is a
comparison and no search.
"""

from typing import Any, cast

import torch
import torch.nn.functional as F

from port.engine.pool_axis import first_index, maximum, route
from port.fast.kernels import max_unpooling
from port.fast.kernels.calls import vector_width
from port.fast.kernels.planes import laid, last
from port.fast.operators import Learn, Operator, PoolingOperator, Saved, Tensors
from port.fast.reach.geometry import Interval, Spreading
from port.fast.reach.operations import halves
from port.fast.reach.plan import Work

MOST_PLACES = 1 << 24       # that a float32 can number


def _fits(x: torch.Tensor, places: int) -> bool:
    """Whether the kernels take a tensor's channels and so many places."""
    return (x.device.type == 'cpu' and x.dtype == torch.float32
            and x.shape[1] % vector_width() == 0 and places <= MOST_PLACES)


def _pixels(x: torch.Tensor) -> torch.Tensor:
    """Return an image as N x pixels x channels."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


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
        # On a CPU alone: to look at values would wait for a GPU, which no CUDA graph allows.
        if x.device.type == 'cpu' and halves(self.layer) and list(x.shape[2:]) == work.sizes:
            y, places = F.max_pool2d(x, 2, 2, ceil_mode=True, return_indices=True)
            if not bool(y.isnan().any()):               # which has a place for torch alone
                return y, places
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


class UnpoolingOperator(Operator):
    """Values put back to where the maxima of a pooling stood, as far as those places lie in the
    part that is asked for; zeros elsewhere.
    """

    def _undoes(self, work: Work, x: torch.Tensor, places: torch.Tensor) -> bool:
        rows, columns = work.outputs
        return (self.kernels and halves(self.operation.undoes) and places.dtype == torch.float32
                and _fits(x, rows.size * columns.size))

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        x, places = bottoms
        rows, columns = work.outputs
        if self._undoes(work, x, places):
            return max_unpooling.put_back(last(x), last(places), (rows.size, columns.size))
        count, index = rows.size * columns.size, self._index(work, places)
        n, c = x.shape[:2]
        inside = x.device.type == 'cpu' and bool((index < count).all())
        wide = x.new_zeros(n, count if inside else count + 1, c)     # the last: for all outside
        wide.scatter_(1, _pixels(index), _pixels(x))
        return wide[:, :count].reshape(n, rows.size, columns.size, c).permute(0, 3, 1, 2)

    @staticmethod
    def _index(work: Work, places: torch.Tensor) -> torch.Tensor:
        """Return where places of the whole image lie in the part; behind it where outside."""
        (rows, columns), width = work.outputs, cast(Spreading, work.rules[1]).out
        if (rows.first, columns) == (0, Interval(0, width)):           # counted as they are
            count = rows.size * width
            inside = (places >= 0) & (places < count)
            return torch.where(inside, places, count).long()
        row, column = places // width - rows.first, places % width - columns.first
        inside = (row >= 0) & (row < rows.size) & (column >= 0) & (column < columns.size)
        index = torch.where(inside, row * columns.size + column, rows.size * columns.size)
        return index.long()

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        x, places = saved.bottoms
        if self._undoes(saved.work, x, places):
            return [max_unpooling.take_out(last(gradient), last(places)), None]
        index = self._index(saved.work, places).flatten(2)
        return [F.pad(gradient.flatten(2), (0, 1)).gather(2, index).view(x.shape), None]
