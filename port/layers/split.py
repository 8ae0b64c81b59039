"""Split: one blob for several readers (Caffe's SplitLayer).

The tops are the bottom's memory; their diffs are their own and add up to the bottom's.
"""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.layers.bases.neuron import refuse_in_place
from port.onnx.graph_builder import Graph


@layer('Split')
class Split(Layer):
    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        refuse_in_place(self, bottom, top)
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        for blob in top:
            blob.data = bottom[0].viewed(*bottom[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return bottoms * len(tops)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        if len(top) == 1:
            bottom[0].diff = top[0].diff.clone()
            return
        total = torch.add(top[0].diff, top[1].diff)
        for blob in top[2:]:
            total.add_(blob.diff)
        bottom[0].diff = total
