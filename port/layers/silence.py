"""Silence: takes blobs that nobody reads, so that the net has no such outputs
(Caffe's SilenceLayer).
"""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Silence')
class Silence(Layer):
    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Compute nothing."""

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return []

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        for blob, wanted in zip(bottom, propagate_down, strict=True):
            if wanted:
                blob.drop_diff()
