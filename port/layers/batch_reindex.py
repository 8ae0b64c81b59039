"""BatchReindex: pick items of the first bottom by the indices in the second (Caffe's
BatchReindexLayer).
"""

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('BatchReindex')
class BatchReindex(Layer):
    """y[i] = x[index[i]]; an item picked more than once gets the sum of the diffs."""

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        index, items = bottom[1].data, bottom[0].shape[0]
        outside = ~((index >= 0) & (index < items))
        if outside.any():
            raise ValueError(f'index {float(index[outside][0]):g} in {bottom[1].name!r} is out of '
                             f'range; expected 0 to {items - 1}, the items of '
                             f'{bottom[0].name!r}')
        top[0].data = bottom[0].data.index_select(0, index.long())

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        return [g.add('Gather', bottoms[0], g.cast(bottoms[1], np.int64), axis=0, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[1]:
            raise ValueError('BatchReindex cannot backpropagate to the index; give it '
                             'propagate_down: false')
        if propagate_down[0]:
            diff = torch.zeros_like(bottom[0].data)
            bottom[0].diff = diff.index_add_(0, bottom[1].data.long(), top[0].diff)
