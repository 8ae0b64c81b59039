"""Sigmoid: y = 1 / (1 + e^-x) (Caffe's SigmoidLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('Sigmoid')
class Sigmoid(Neuron):
    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.sigmoid(x, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Sigmoid', bottoms[0], out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = dy y (1 - y)."""
        torch.ops.aten.sigmoid_backward.grad_input(diff, top.data, grad_input=out)
