"""TanH: y = tanh(x) (Caffe's TanHLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('TanH')
class TanH(Neuron):
    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.tanh(x, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Tanh', bottoms[0], out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = dy (1 - y^2)."""
        torch.ops.aten.tanh_backward.grad_input(diff, top.data, grad_input=out)
