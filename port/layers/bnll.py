"""BNLL: y = log(1 + exp(x)), the binomial normal log likelihood (Caffe's BNLLLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('BNLL')
class BNLL(Neuron):
    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.logaddexp(x, x.new_zeros(()), out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Softplus', bottoms[0], out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = dy e^x / (e^x + 1)."""
        torch.mul(diff, torch.sigmoid(bottom.data), out=out)
