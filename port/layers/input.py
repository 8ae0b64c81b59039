"""Input: tops that the user fills (Caffe's InputLayer)."""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Input')
class Input(Layer):
    """Give the tops their first shape; later shapes are the user's (Blob.reshape)."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.shape_tops([], top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Leave the tops as the user filled them."""

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.inputs[top] for top in self.param.top]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """There is nothing below."""
