"""Upsample: put each value back where max pooling found it (SegNet's fork of Caffe,
upsample_layer.cpp; arXiv 1511.00561 section 3).
"""

import numpy as np

from netspec.schema.messages import UpsampleParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph

Pair = tuple[int, int]


@layer('Upsample')
class Upsample(Layer):
    """bottom: values, and the mask of places (row * width + column) that Pooling's second top
    gives; both N x C x h x w. top: N x C x H x W, zero but at those places.

    H x W: upsample_h and upsample_w, or scale (scale_h, scale_w) times the bottom, less one where
    pad_out_h or pad_out_w says that the pooled image was odd. Of values with one place the last
    counts, as in Caffe; on a GPU any of them. The mask takes no gradient.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.upsample_param
        given = [p.HasField('upsample_h'), p.HasField('upsample_w')]
        self.fixed: Pair | None = (p.upsample_h, p.upsample_w) if all(given) else None
        if self.fixed is None:
            if any(given):
                raise ValueError('upsample_h and upsample_w go together; only one is given')
            self.scale = self._scale(p)
            self.less = (int(p.pad_out_h), int(p.pad_out_w))
            if any(less and s != 2 for less, s in zip(self.less, self.scale, strict=True)):
                raise ValueError(f'pad_out_h and pad_out_w need scale 2; got {list(self.scale)}')
        if min(self.fixed or self.scale) < 2:
            raise ValueError(f'upsample to {list(self.fixed or self.scale)}; expected 2 or more')

    @staticmethod
    def _scale(p: UpsampleParameter) -> Pair:
        sides = [p.HasField('scale_h'), p.HasField('scale_w')]
        if any(sides) and (not all(sides) or p.HasField('scale')):
            raise ValueError('the size must be given as upsample_h and upsample_w, as scale, or as '
                             'scale_h and scale_w; not as a mixture')
        return (p.scale_h, p.scale_w) if all(sides) else (p.scale, p.scale)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x, size = bottom[0].data, top[0].shape[2:]
        self.places = bottom[1].data.long().flatten(2)
        if self.places.numel() and self.places.device.type == 'cpu':
            low, high = self.places.aminmax()
            self._check(int(low), int(high), size)
        wide = x.new_zeros(*x.shape[:2], size[0] * size[1])
        top[0].data = wide.scatter_(2, self.places, x.flatten(2)).view(*x.shape[:2], *size)

    def _check(self, low: int, high: int, size: tuple[int, ...]) -> None:
        if low < 0 or high >= size[0] * size[1]:
            raise ValueError(f'the mask names place {low if low < 0 else high} of an image of '
                             f'{size[0]} x {size[1]}; the scale or pad_out does not fit the '
                             'pooling that made the mask: was the net made for another image size?')

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[0]:
            shape = bottom[0].shape
            bottom[0].diff = top[0].diff.flatten(2).gather(2, self.places).view(shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        x, mask = bottoms
        outer = g.add('Shape', x, start=0, end=2)
        size = g.ints(*self.fixed) if self.fixed else g.add(
            'Sub', g.add('Mul', g.add('Shape', x, start=2, end=4), g.ints(*self.scale)),
            g.ints(*self.less))
        plane = g.add('ReduceProd', size, axes=[0], keepdims=1)
        zeros = g.add('ConstantOfShape', g.add('Concat', outer, plane, axis=0))
        places = g.cast(g.reshape(mask, [0, 0, -1]), np.int64)
        flat = g.add('ScatterElements', zeros, places, g.reshape(x, [0, 0, -1]), axis=2)
        return [g.add('Reshape', flat, g.add('Concat', outer, size, axis=0), out=tops[0])]
