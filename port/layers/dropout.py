"""Dropout: zero a share of the values while training and scale the others up by
1 / (1 - dropout_ratio), so that testing is a copy (Caffe's DropoutLayer).
"""

import torch

from netspec.schema.messages import TRAIN
from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('Dropout')
class Dropout(Neuron):
    """dropped: one byte a value, true where the last training pass zeroed it."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.ratio = self.param.dropout_param.dropout_ratio
        if self.phase == TRAIN and not 0 <= self.ratio < 1:
            raise ValueError(f'dropout_ratio is {self.ratio:g}; expected 0 <= ratio < 1')
        self.scale = 1 / (1 - self.ratio) if self.phase == TRAIN else 1.
        self.dropped: torch.Tensor | None = None

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        if self.phase == TRAIN:
            self.dropped = self._draw(x)
        self._thin(x, out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return bottoms

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        self._thin(diff, out)

    def _draw(self, x: torch.Tensor) -> torch.Tensor:
        if x.is_cpu:                       # four times as fast there as bernoulli_
            return torch.rand_like(x).lt(self.ratio)
        return torch.empty_like(x, dtype=torch.bool).bernoulli_(self.ratio)

    def _thin(self, source: torch.Tensor, out: torch.Tensor) -> None:
        """Write source, thinned and scaled by the last mask, to `out`; a copy when testing."""
        if self.phase == TRAIN and self.dropped is not None:
            torch.mul(source, self.scale, out=out).masked_fill_(self.dropped, 0)
        elif out is not source:
            out.copy_(source)
