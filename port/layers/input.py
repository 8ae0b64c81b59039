"""Input: tops that the user fills (Caffe's InputLayer)."""

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Input')
class Input(Layer):
    """Give the tops their first shape; later shapes are the user's (Blob.reshape)."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        shapes = self.param.input_param.shape
        if len(shapes) not in (0, 1, len(top)):
            raise ValueError(f'input_param has {len(shapes)} shapes for {len(top)} top(s); '
                             'expected none, one for all, or one for each top')
        for i, blob in enumerate(top if shapes else []):
            blob.reshape(*shapes[i if len(shapes) > 1 else 0].dim)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        """Leave the tops as the user filled them."""

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.inputs[top] for top in self.param.top]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """There is nothing below."""
