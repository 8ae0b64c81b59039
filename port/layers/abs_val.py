"""AbsVal: y = |x|, never in place (Caffe's AbsValLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron, refuse_in_place
from port.onnx.graph_builder import Graph


@layer('AbsVal')
class AbsVal(Neuron):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.abs(x, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Abs', bottoms[0], out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        torch.sign(bottom.data, out=out).mul_(diff)
