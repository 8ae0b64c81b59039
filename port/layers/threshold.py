"""Threshold: 1 above the threshold, else 0; no gradient (Caffe's ThresholdLayer)."""

import torch

from port.neuron import Neuron
from port.registry import layer


@layer('Threshold')
class Threshold(Neuron):
    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.gt(x, self.param.threshold_param.threshold, out=out)
