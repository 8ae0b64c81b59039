"""ReLU: y = max(x, 0) + negative_slope min(x, 0) (Caffe's ReLULayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph

ATEN = torch.ops.aten


@layer('ReLU')
class ReLU(Neuron):
    """The backward pass asks for the sign of the bottom: of y, in place, as Caffe's does."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.slope = self.param.relu_param.negative_slope

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        if self.slope == 0:
            torch.clamp_min(x, 0, out=out)
        else:
            ATEN.leaky_relu.out(x, self.slope, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if self.slope == 0:
            return [g.add('Relu', bottoms[0], out=tops[0])]
        return [g.add('LeakyRelu', bottoms[0], alpha=self.slope, out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        if self.slope == 0:
            ATEN.threshold_backward.grad_input(diff, bottom.data, 0, grad_input=out)
        else:
            ATEN.leaky_relu_backward.grad_input(diff, bottom.data, self.slope, False,
                                                grad_input=out)
