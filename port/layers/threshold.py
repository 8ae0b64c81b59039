"""Threshold: 1 above the threshold, else 0; no gradient (Caffe's ThresholdLayer)."""

import numpy as np
import torch

from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('Threshold')
class Threshold(Neuron):
    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.gt(x, self.param.threshold_param.threshold, out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        high = g.const(self.param.threshold_param.threshold)
        return [g.cast(g.add('Greater', bottoms[0], high), np.float32, tops[0])]
