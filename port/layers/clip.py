"""Clip: y = max(min, min(x, max)) (Caffe's ClipLayer)."""

import torch

from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('Clip')
class Clip(Neuron):
    """Where min > max everything becomes min, as in Caffe (torch.clamp gives max)."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.low, self.high = self.param.clip_param.min, self.param.clip_param.max

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.clamp_max(x, self.high, out=out).clamp_min_(self.low)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Clip', bottoms[0], g.const(self.low), g.const(max(self.low, self.high)),
                      out=tops[0])]

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        x = bottom.data
        torch.mul(diff, (x >= self.low) & (x <= self.high), out=out)
