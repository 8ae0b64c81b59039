"""Im2col (Caffe's im2col_layer.cpp): every window of the image as a column of its own."""

from itertools import product
from math import prod

import torch.nn.functional as F

from netspec.window import Sizes, window
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer


@layer('Im2col')
class Im2col(Layer):
    """Turn channels x image into (channels x kernel) x slides, for any number of spatial axes."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p, shape = self.param.convolution_param, bottom[0].shape
        self.channel_axis = self.axis(p.axis, len(shape))
        self.spatial_axes = len(shape) - self.channel_axis - 1
        if self.spatial_axes < 1:
            raise ValueError(f'bottom {list(shape)} has no axis after the channel axis {p.axis}; '
                             'expected at least one')
        self.window = window(p, self.spatial_axes)

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape, axis = bottom[0].shape, self.channel_axis
        if len(shape) != axis + 1 + self.spatial_axes:
            raise ValueError(f'bottom {bottom[0].name!r} has {len(shape)} axes; the layer was set '
                             f'up for {axis + 1 + self.spatial_axes}')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape, axis = bottom[0].shape, self.channel_axis
        room = self._room(shape[axis + 1:])
        image = F.pad(bottom[0].data, [n for pair in reversed(room) for n in pair])
        window = self.window
        for i, (extent, stride, step) in enumerate(
                zip(window.extent, window.stride, window.dilation, strict=True), axis + 1):
            image = image.unfold(i, extent, stride)[..., ::step]
        # batch, channels, slides, kernel -> batch, channels, kernel, slides
        kernel = range(len(shape), len(shape) + self.spatial_axes)
        order = (*range(axis + 1), *kernel, *range(axis + 1, len(shape)))
        top[0].data = image.permute(order).reshape(top[0].shape).contiguous()

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        shape, axis = bottom[0].shape, self.channel_axis
        sizes, slides, window = shape[axis + 1:], top[0].shape[axis + 1:], self.window
        room = self._room(sizes)
        padded = [n + a + b for n, (a, b) in zip(sizes, room, strict=True)]
        image = top[0].diff.new_zeros(*shape[:axis + 1], *padded)
        diff = top[0].diff.reshape(*shape[:axis + 1], prod(window.kernel), *slides)
        columns = diff.unbind(axis + 1)
        for column, place in zip(columns, product(*map(range, window.kernel)), strict=True):
            cut = (slice(k * d, k * d + (n - 1) * s + 1, s) for k, d, n, s in zip(
                place, window.dilation, slides, window.stride, strict=True))
            image[(*[slice(None)] * (axis + 1), *cut)] += column
        inner = (slice(a, a + n) for n, (a, _) in zip(sizes, room, strict=True))
        bottom[0].diff = image[(*[slice(None)] * (axis + 1), *inner)].contiguous()

    def _room(self, sizes: Sizes) -> list[tuple[int, int]]:
        """Return the zeros before and after each axis."""
        return [(p, p + tail) for p, tail in zip(
            self.window.pad, self.window.overhang(sizes), strict=True)]
