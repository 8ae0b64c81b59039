"""LRN (Caffe's lrn_layer.cpp): divide by the local energy, across channels or within each."""

import torch

from netspec.schema.messages import LRNParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.pool_axis import Axis, add_up, spread, spread_out, total
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('LRN')
class LRN(Layer):
    """y = x s^-beta, with s from the squares of the n = local_size neighbours of x.

    ACROSS_CHANNELS: s = k + alpha / n (sum over n channels). WITHIN_CHANNEL: s = 1 + alpha / n^2
    (sum over an n x n square): k has no part in it. Neighbours outside count as zero.
    Backward takes s from what forward saw, x and y from where they now lie, as Caffe's does.
    """

    saves_bottom = True

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.lrn_param
        if p.local_size % 2 == 0:
            raise ValueError(f'local_size is {p.local_size}; expected an odd number')
        self.within = p.norm_region == LRNParameter.WITHIN_CHANNEL
        self.shift = 1. if self.within else p.k
        self.factor = p.alpha / p.local_size ** (2 if self.within else 1)
        self.beta = p.beta

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        shape, n = bottom[0].shape, self.param.lrn_param.local_size
        pad = (n - 1) // 2
        self.rows, self.columns = (Axis(i, shape[i], n, 1, pad, shape[i]) for i in (-2, -1))
        self.channels = Axis(-2, shape[1], n, 1, pad, shape[1])  # of num x channels x pixels

    def sums(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum over the neighbours of each element."""
        if self.within:
            return total(x, self.rows, self.columns)
        return add_up(x.flatten(2), self.channels).view(x.shape)

    def spreads(self, diff: torch.Tensor) -> torch.Tensor:
        """Return the transpose of `sums`."""
        if self.within:
            return spread(diff, self.rows, self.columns)
        return spread_out(diff.flatten(2), self.channels).view(diff.shape)

    def scale(self, x: torch.Tensor) -> torch.Tensor:
        """Return s."""
        return self.sums(x * x).mul_(self.factor).add_(self.shift)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data
        top[0].data = self.scale(x).pow_(-self.beta).mul_(x)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        p = self.param.lrn_param
        if not self.within:
            return [g.add('LRN', bottoms[0], size=p.local_size, alpha=p.alpha, beta=p.beta,
                          bias=p.k, out=tops[0])]
        mean = g.add('AveragePool', g.add('Mul', bottoms[0], bottoms[0]), count_include_pad=1,
                     kernel_shape=[p.local_size] * 2, pads=[(p.local_size - 1) // 2] * 4)
        scale = g.add('Add', g.add('Mul', mean, g.const(p.alpha)), g.const(1))
        return [g.add('Div', bottoms[0], g.add('Pow', scale, g.const(p.beta)), out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """dx = dy s^-beta - 2 factor beta x spreads(dy y / s); within, y is x s^-beta anew."""
        if not propagate_down[0]:
            return
        x, diff = bottom[0].data, top[0].diff
        scale = self.scale(self.seen(bottom[0]))
        direct = scale.pow(-self.beta).mul_(diff)
        product = direct * x if self.within else diff * top[0].data
        through = self.spreads(product.div_(scale)).mul_(x)
        bottom[0].diff = direct.sub_(through, alpha=2 * self.factor * self.beta)
