"""Parameter: a learnt blob as a top (Caffe's ParameterLayer)."""

from port.engine.blob import Blob, SharedParam
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Parameter')
class Parameter(Layer):
    """The top is the parameter's memory, data and diff, from the first pass on: its gradient is
    overwritten by each pass, not summed, as in Caffe, and what is put into the top's diff is in
    the parameter's.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.add_blob(tuple(self.param.parameter_param.shape.dim))
        top[0].reshape(*self.blobs[0].shape)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        blob = self.blobs[0]
        top[0].data = blob.data
        if not isinstance(blob, SharedParam):    # of another shape: its diff is copied, below
            top[0].share_diff_store(blob)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.const(self.blobs[0].data, name='value')]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if isinstance(self.blobs[0], SharedParam):
            self.blobs[0].diff = top[0].diff
