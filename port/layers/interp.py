"""Interp (DeepLab's interp_layer.cpp): bilinear resizing that maps corners onto corners.

y[i] reads x at i (size_in - 1) / (size_out - 1), between its two neighbours, along each axis.
"""

from typing import Any

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Interp')
class Interp(Layer):
    """The size comes from shrink_factor, zoom_factor, both, or height and width.

    pad_beg, pad_end: 0 or less; what to cut off each axis before.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.interp_param
        if p.pad_beg > 0 or p.pad_end > 0:
            raise ValueError(f'pad_beg is {p.pad_beg} and pad_end {p.pad_end}; expected 0 or '
                             'less: only cropping is supported')
        if p.shrink_factor < 1 or p.zoom_factor < 1:
            raise ValueError(f'shrink_factor is {p.shrink_factor} and zoom_factor '
                             f'{p.zoom_factor}; expected at least 1')
        if not (p.HasField('shrink_factor') or p.HasField('zoom_factor')
                or p.HasField('height') and p.HasField('width')):
            raise ValueError('expected shrink_factor, zoom_factor, or height and width')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        p, shape = self.param.interp_param, bottom[0].shape
        self.part: tuple[Any, ...] = (
            ..., *(slice(-p.pad_beg, n + p.pad_end) for n in shape[2:]))
        self.inner = [n + p.pad_beg + p.pad_end for n in shape[2:]]
        self.outer = list(top[0].shape[2:])

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data[self.part]
        top[0].data = (x.clone() if self.inner == self.outer else
                       torch.ops.aten.upsample_bilinear2d(x, self.outer, True))

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        p, x = self.param.interp_param, bottoms[0]
        if p.pad_beg or p.pad_end:
            end = p.pad_end or np.iinfo(np.int64).max
            x = g.add('Slice', x, g.ints(*[-p.pad_beg] * 2), g.ints(end, end), g.ints(2, 3))
        sizes = self._onnx_sizes(g, x)
        return [g.add('Resize', x, '', '', sizes, mode='linear',
                      coordinate_transformation_mode='align_corners', out=tops[0])]

    def _onnx_sizes(self, g: Graph, x: str) -> str:
        """Add what `interp_size` does to sizes that are read."""
        p, size, one = self.param.interp_param, g.add('Shape', x, start=2, end=4), g.ints(1)
        shrink, zoom = p.HasField('shrink_factor'), p.HasField('zoom_factor')
        if p.HasField('height') and p.HasField('width') and shrink == zoom:
            size, shrink, zoom = g.ints(p.height, p.width), False, False
        if shrink:
            size = g.add('Div', g.add('Sub', size, one), g.ints(p.shrink_factor))
            size = g.add('Add', size, one)
        if zoom:
            grown = g.add('Mul', g.add('Sub', size, one), g.ints(p.zoom_factor - 1))
            size = g.add('Add', size, grown)
        return g.add('Concat', g.add('Shape', x, start=0, end=2), size, axis=0)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        diff, shape = top[0].diff, bottom[0].shape
        down = (diff.clone() if self.inner == self.outer else
                torch.ops.aten.upsample_bilinear2d_backward(
                    diff, self.outer, [*shape[:2], *self.inner], True))
        if self.inner == list(shape[2:]):
            bottom[0].diff = down
            return
        wide = diff.new_zeros(shape)
        wide[self.part] = down
        bottom[0].diff = wide
