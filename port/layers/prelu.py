"""PReLU: y = max(x, 0) + slope min(x, 0), a learnt slope for each channel or one for all
(Caffe's PReLULayer; He et al. 2015).
"""

import torch

from netspec.schema.messages import FillerParameter
from port.engine.blob import Blob
from port.engine.registry import layer
from port.layers.bases.neuron import Neuron
from port.onnx.graph_builder import Graph


@layer('PReLU')
class PReLU(Neuron):
    """blobs: [slope], of shape (channels) or (), 0.25 by default. kept: x, when overwritten."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param, shape = self.param.prelu_param, bottom[0].shape
        self._check(bottom[0])
        quarter = FillerParameter(type='constant', value=0.25)
        self.add_blob(() if param.channel_shared else shape[1:2],
                      param.filler if param.HasField('filler') else quarter)
        self.kept: torch.Tensor | None = None

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self._check(bottom[0])
        slope = self.blobs[0]
        if slope.shape not in ((), bottom[0].shape[1:2]):
            raise ValueError(f'bottom {bottom[0].name!r} {list(bottom[0].shape)} has '
                             f'{bottom[0].shape[1]} channels; the slope has {slope.count}')
        super().reshape(bottom, top)

    @staticmethod
    def _check(bottom: Blob) -> None:
        if len(bottom.shape) < 2:
            raise ValueError(f'bottom {bottom.name!r} has shape {list(bottom.shape)}; expected '
                             'at least 2 axes, the second the channels')

    def _slope(self, x: torch.Tensor) -> torch.Tensor:
        """Return the slope as one that broadcasts with x."""
        slope = self.blobs[0].data
        return slope if slope.dim() == 0 else slope.view(-1, *[1] * (x.dim() - 2))

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        self.kept = x.clone() if out is x else None
        torch.where(x > 0, x, x * self._slope(x), out=out)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        slope, axes = self.blobs[0].data, len(g.shape(bottoms[0]))
        if slope.dim():
            slope = slope.reshape(-1, *[1] * (axes - 2))
        return [g.add('PRelu', bottoms[0], g.const(slope, name='slope'), out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """Add to the slope's diff first: in place, the bottom's diff overwrites the top's."""
        if self.param_propagate_down[0]:
            x = bottom[0].data if self.kept is None else self.kept
            product = (top[0].diff * x).mul_(x <= 0)
            slope = self.blobs[0]
            channels = [a for a in range(x.dim()) if a != 1]
            slope.add_diff(product.sum(channels) if slope.shape else product.sum())
        super().backward(top, propagate_down, bottom)

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        x = bottom.data if self.kept is None else self.kept
        torch.where(x > 0, diff, diff * self._slope(x), out=out)
