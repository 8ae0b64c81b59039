"""SPP (Caffe's spp_layer.cpp): spatial pyramid pooling, a vector of one length for any image."""

from math import prod
from typing import Any

import torch

from netspec.schema.messages import LayerParameter
from netspec.window_shapes import bins, check_pyramid
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.pooling import Pooling
from port.onnx.graph_builder import Graph


@layer('SPP')
class SPP(Layer):
    """Pool into 1 x 1, 2 x 2, 4 x 4, … bins and lay the levels, each flattened, side by side.

    A pyramid of one level keeps the 4 axes of its pooling.
    """

    saves_bottom = True

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.height = self.param.spp_param.pyramid_height
        if self.height < 1:
            raise ValueError('pyramid_height must be given, at least 1')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape = bottom[0].shape
        if len(shape) != 4 or 0 in shape[2:]:
            raise ValueError(f'bottom {bottom[0].name!r} {list(shape)} must have 4 axes: num, '
                             'channels, height, width, of which the last two not empty')
        check_pyramid(self.height, shape[2:])
        self.levels = [self._level(i, bottom) for i in range(self.height)]
        if self.height == 1:
            top[0].reshape(*self.levels[0][1].shape)
        else:
            top[0].reshape(shape[0], sum(self._widths()))

    def _widths(self) -> list[int]:
        return [prod(blob.shape[1:]) for _, blob in self.levels]

    def _level(self, level: int, bottom: list[Blob]) -> tuple[Pooling, Blob]:
        """Make the pooling of one level and the blob for its top."""
        name = f'{self.name}_{level}'
        param = LayerParameter(name=name, type='Pooling', bottom=self.param.bottom, top=[name])
        p = param.pooling_param
        p.pool = self.param.spp_param.pool
        p.kernel_h, p.pad_h = bins(bottom[0].shape[2], 2 ** level)
        p.kernel_w, p.pad_w = bins(bottom[0].shape[3], 2 ** level)
        p.stride_h, p.stride_w = p.kernel_h, p.kernel_w
        pooling = Pooling(param, self.phase)
        blob = Blob(name, (), bottom[0].dtype, bottom[0].device)
        pooling.setup(bottom, [blob])
        pooling.reshape(bottom, [blob])
        return pooling, blob

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        for pooling, blob in self.levels:
            pooling.forward(bottom, [blob])
        parts = [blob.data for _, blob in self.levels]
        top[0].data = parts[0] if self.height == 1 else torch.cat(
            [part.flatten(1) for part in parts], 1)
        for _, blob in self.levels:
            blob.drop_data()

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if not all(isinstance(size, int) for size in g.shape(bottoms[0])[2:]):
            raise ValueError('SPP over free image sizes has no ONNX form: its kernels follow them')
        single: list[Any] = [tops[0] if self.height == 1 else None]       # None: a name is made up
        parts = [pooling.onnx(g, bottoms, single)[0]
                 for pooling, _ in self.levels]
        if self.height == 1:
            return parts
        return [g.add('Concat', *(g.add('Flatten', part) for part in parts), axis=1, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        diff = top[0].diff
        parts = [diff] if self.height == 1 else diff.split(self._widths(), 1)
        total = torch.zeros_like(bottom[0].data)
        for (pooling, blob), part in zip(self.levels, parts, strict=True):
            blob.diff, pooling.saved = part.reshape(blob.shape), self.saved
            pooling.backward([blob], propagate_down, bottom)
            total += bottom[0].diff
            blob.drop_diff()
        bottom[0].diff = total
