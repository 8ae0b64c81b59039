"""AbsVal: y = |x|, never in place (Caffe's AbsValLayer)."""

import torch

from port.blob import Blob
from port.neuron import Neuron, refuse_in_place
from port.onnx_graph import Graph
from port.registry import layer


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
