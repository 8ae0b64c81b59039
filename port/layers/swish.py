"""Swish: y = x sigmoid(beta x) (Caffe's SwishLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('Swish')
class Swish(Neuron):
    """kept: sigmoid(beta x), when the top overwrites x."""

    saves_bottom = True

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.beta = self.param.swish_param.beta
        self.kept: torch.Tensor | None = None

    def _gate(self, x: torch.Tensor) -> torch.Tensor:
        return torch.mul(x, self.beta).sigmoid_()

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        gate = self._gate(x)
        self.kept = gate if out is x else None
        torch.mul(x, gate, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        scaled = bottoms[0]
        if self.beta != 1:
            scaled = g.add('Mul', bottoms[0], g.const(self.beta))
        return [g.add('Mul', bottoms[0], g.add('Sigmoid', scaled), out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = dy (beta y + gate (1 - beta y))."""
        gate = self._gate(self.seen(bottom)) if self.kept is None else self.kept
        scaled = top.data * self.beta
        torch.mul(diff, scaled + gate * (1 - scaled), out=out)
