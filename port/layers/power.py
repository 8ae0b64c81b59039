"""Power: y = (shift + scale x)^power (Caffe's PowerLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('Power')
class Power(Neuron):
    """The derivative comes from y / (shift + scale x), so it is NaN where Caffe's is.

    In place, Caffe's derivative takes the place of the top's diff and is squared.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.power_param
        self.power, self.scale, self.shift = param.power, param.scale, param.shift
        self.slope = self.power * self.scale

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        if self.slope == 0:
            out.fill_(self.shift).pow_(self.power)
            return
        torch.mul(x, self.scale, out=out)
        if self.shift != 0:
            out.add_(self.shift)
        if self.power != 1:
            out.pow_(self.power)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        steps = [(kind, value) for kind, value, idle in (
            ('Mul', self.scale if self.power else 0, 1), ('Add', self.shift, 0),
            ('Pow', self.power, 1)) if value != idle]
        x = bottoms[0]
        for i, (kind, value) in enumerate(steps):
            x = g.add(kind, x, g.const(value), out=tops[0] if i == len(steps) - 1 else None)
        return [x]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """Write power scale y / (shift + scale x) to `out`, then multiply by the top's diff."""
        if self.slope == 0 or self.power == 1:
            out.fill_(self.slope)
        elif self.power == 2:
            torch.mul(bottom.data, self.slope * self.scale, out=out).add_(self.slope * self.shift)
        elif self.shift == 0:
            torch.div(top.data, bottom.data, out=out).mul_(self.power)
        else:
            torch.mul(bottom.data, self.scale, out=out).add_(self.shift)
            torch.div(top.data, out, out=out).mul_(self.slope)
        if self.slope != 0:
            out.mul_(diff)
