"""Crop (Caffe's crop_layer.cpp): cut the first bottom to the size of the second, at an offset."""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Crop')
class Crop(Layer):
    """From `axis` on the sizes are the second bottom's; its values play no part.

    offset: none (0), one for all cropped axes, or one for each.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p, axes = self.param.crop_param, len(bottom[0].shape)
        cropped = axes - self.axis(p.axis, axes)
        if len(p.offset) > 1 and len(p.offset) != cropped:
            raise ValueError(f'offset is given {len(p.offset)} times; expected once, or once for '
                             f'each of the {cropped} axes from axis {p.axis} on')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        p, sizes = self.param.crop_param, top[0].shape
        axis = self.axis(p.axis, len(sizes))
        given = list(p.offset) or [0]
        offsets = [0] * axis + given * (len(sizes) - axis if len(given) == 1 else 1)
        self.part = tuple(slice(o, o + n) for o, n in zip(offsets, sizes, strict=True))

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = bottom[0].data[self.part].clone()  # a view would let in-place layers reach x

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        shape, sizes = g.shape(bottoms[0]), g.shape(tops[0])
        starts = [part.start for part in self.part]
        cut = [i for i, size in enumerate(sizes) if starts[i] or shape[i] != size]
        if not cut:
            return bottoms[:1]
        first, last = cut[0], cut[-1] + 1
        starts, sizes = starts[first:last], sizes[first:last]
        known = [s + n for s, n in zip(starts, sizes, strict=True) if isinstance(n, int)]
        if len(known) == len(sizes):
            ends = g.ints(*known)
        else:
            ends = g.sizes(bottoms[1], first, last)
            ends = g.add('Add', ends, g.ints(*starts)) if any(starts) else ends
        axes = g.ints(*range(first, last))
        return [g.add('Slice', bottoms[0], g.ints(*starts), ends, axes, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[0]:
            diff = top[0].diff.new_zeros(bottom[0].shape)
            diff[self.part] = top[0].diff
            bottom[0].diff = diff
