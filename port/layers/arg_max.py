"""ArgMax: the top_k largest values of an axis, or of everything but the first axis, as indices
or values (Caffe's ArgMaxLayer). It has no gradient.
"""

from math import prod

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('ArgMax')
class ArgMax(Layer):
    """Of equal values the one with the larger index comes first, as Caffe sorts them.

    Shape with axis: the bottom's, top_k on that axis; without: N x 1 x top_k, or N x 2 x top_k
    (indices, then values) with out_max_val, and further 1s up to the bottom's number of axes.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param, shape = self.param.argmax_param, bottom[0].shape
        self.k, self.values = param.top_k, param.out_max_val
        self.at = self.axis(param.axis, len(shape)) if param.HasField('axis') else None
        first = shape[self.axis(0, len(shape))]
        most = bottom[0].count // max(first, 1) if self.at is None else shape[self.at]
        if not 1 <= self.k <= most:
            raise ValueError(f'top_k is {self.k}; expected 1 to {most}, the number of values '
                             f'compared in bottom {bottom[0].name!r} {list(shape)}')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x, shape = bottom[0].data, top[0].shape
        if self.at is not None:
            values, indices = largest(x, self.k, self.at)
            top[0].data = (values if self.values else indices.to(x.dtype)).contiguous()
            return
        values, indices = largest(x.reshape(shape[0], prod(x.shape[1:])), self.k, 1)
        indices = indices.to(x.dtype)
        both = torch.stack((indices, values), 1) if self.values else indices
        top[0].data = both.reshape(shape).contiguous()

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        axes = len(g.shape(bottoms[0]))
        if self.at is not None:
            return [self._onnx_along(g, bottoms[0], tops[0], self.at)]
        values, indices = self._onnx_largest(g, g.reshape(bottoms[0], [0, -1]), 1)
        found = [g.cast(indices, np.float32), *([values] if self.values else [])]
        rows = [g.reshape(v, [0, 1, self.k]) for v in found]
        whole = g.add('Concat', *rows, axis=1) if len(rows) > 1 else rows[0]
        return [g.reshape(whole, [0, len(rows), self.k] + [1] * (axes - 3), tops[0])]

    def _onnx_along(self, g: Graph, x: str, top: str, axis: int) -> str:
        values, indices = self._onnx_largest(g, x, axis)
        return values if self.values else g.cast(indices, np.float32, top)

    def _onnx_largest(self, g: Graph, x: str, axis: int) -> tuple[str, str]:
        """Return values and indices as `largest` does: TopK on the flipped axis."""
        if self.k == 1:
            return (g.add('ReduceMax', x, axes=[axis], keepdims=1),
                    g.add('ArgMax', x, axis=axis, keepdims=1, select_last_index=1))
        flipped = g.add('Slice', x, g.ints(-1), g.ints(np.iinfo(np.int64).min), g.ints(axis),
                        g.ints(-1))
        values, places = g.add_many('TopK', flipped, g.ints(self.k), axis=axis, out=[None, None])
        last = g.add('Sub', g.add('Shape', x, start=axis, end=axis + 1), g.ints(1))
        return values, g.add('Sub', last, places)


def largest(x: torch.Tensor, k: int, axis: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the k largest along an axis, falling, and their indices; the last of equals first."""
    last, x = x.shape[axis] - 1, x.flip(axis)
    if k == 1:
        indices = x.argmax(axis, keepdim=True)
        return x.gather(axis, indices), last - indices
    values, indices = x.sort(dim=axis, descending=True, stable=True)
    return values.narrow(axis, 0, k), last - indices.narrow(axis, 0, k)
