"""AbsVal: y = |x|, never in place (Caffe's AbsValLayer)."""

import torch

from port.blob import Blob
from port.neuron import Neuron, refuse_in_place
from port.registry import layer


@layer('AbsVal')
class AbsVal(Neuron):
    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        refuse_in_place(self, bottom, top)

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        torch.abs(x, out=out)

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        torch.sign(bottom.data, out=out).mul_(diff)
