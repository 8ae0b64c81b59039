"""Log: y = log_base(scale x + shift); base -1 is e (Caffe's LogLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.layers.exp import log_of_base
from port.onnx.graph_builder import Graph


@layer('Log')
class Log(Neuron):
    """In place, Caffe's derivative takes the place of the top's diff and is squared."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.log_param
        self.log_base = log_of_base(param.base)
        if self.log_base == 0:
            raise ValueError('base is 1, whose logarithm is 0; expected another positive number, '
                             'or -1 for e')
        self.scale, self.shift = param.scale, param.shift

    def _inner(self, x: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        return torch.mul(x, self.scale, out=out).add_(self.shift)

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        self._inner(x, out).log_().mul_(1 / self.log_base)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        x = bottoms[0]
        if self.scale != 1:
            x = g.add('Mul', x, g.const(self.scale))
        if self.shift != 0:
            x = g.add('Add', x, g.const(self.shift))
        if self.log_base == 1:
            return [g.add('Log', x, out=tops[0])]
        return [g.add('Mul', g.add('Log', x), g.const(1 / self.log_base), out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = dy scale / (log(base) (scale x + shift))."""
        self._inner(bottom.data, out).reciprocal_().mul_(self.scale / self.log_base)
        out.mul_(diff)
