"""Padding: zeros around an image, or a crop of it (DeepLab v1's padding_layer.cpp)."""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Padding')
class Padding(Layer):
    """padding_param { pad_beg pad_end }: rows above and below, and as many columns left and right.

    Both positive: zeros are added. Both negative: that many are cut away.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.padding_param
        self.pads = (given.pad_beg, given.pad_end)
        if min(self.pads) < 0 < max(self.pads):
            raise ValueError(f'pad_beg is {given.pad_beg} and pad_end {given.pad_end}; expected '
                             'both to add (0 or more) or both to cut (0 or less)')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = padded(bottom[0].data, *self.pads)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[0]:
            bottom[0].diff = padded(top[0].diff, *(-pad for pad in self.pads))

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        first, last = self.pads
        if not any(self.pads):
            return bottoms
        pads = g.ints(0, 0, first, first, 0, 0, last, last)     # a negative one cuts, there too
        return [g.add('Pad', bottoms[0], pads, out=tops[0])]


def padded(x: torch.Tensor, first: int, last: int) -> torch.Tensor:
    """Return a copy of N x C x H x W with zeros around it, or without its edges."""
    return torch.nn.functional.pad(x, (first, last, first, last))
