"""Exp: y = base^(scale x + shift); base -1 is e (Caffe's ExpLayer)."""

from math import inf, log

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


def log_of_base(base: float) -> float:
    """Return log(base), 1 for Caffe's base -1 (e); ValueError unless it is positive."""
    if base != -1 and not 0 < base < inf:
        raise ValueError(f'base is {base:g}; expected a positive number, or -1 for e')
    return 1.0 if base == -1 else log(base)


@layer('Exp')
class Exp(Neuron):
    """y = e^(inner x) outer, inner = scale log(base), outer = base^shift."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.exp_param
        log_base = log_of_base(param.base)
        self.inner = log_base * param.scale
        self.outer = torch.tensor(log_base * param.shift, dtype=torch.float64).exp().item()

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.mul(x, self.inner, out=out).exp_()
        if self.outer != 1:
            out.mul_(self.outer)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        x = bottoms[0]
        if self.inner != 1:
            x = g.add('Mul', x, g.const(self.inner))
        if self.outer == 1:
            return [g.add('Exp', x, out=tops[0])]
        return [g.add('Mul', g.add('Exp', x), g.const(self.outer), out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        torch.mul(top.data, diff, out=out).mul_(self.inner)
