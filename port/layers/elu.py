"""ELU: y = x above zero, alpha (e^x - 1) below (Caffe's ELULayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('ELU')
class ELU(Neuron):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.alpha = self.param.elu_param.alpha

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.ops.aten.elu.out(x, self.alpha, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Elu', bottoms[0], alpha=self.alpha, out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = dy where x > 0, else dy (y + alpha)."""
        slope = torch.add(top.data, self.alpha).masked_fill_(bottom.data > 0, 1)
        torch.mul(diff, slope, out=out)
