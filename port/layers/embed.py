"""Embed (Caffe's embed_layer.cpp): each number of the bottom becomes its row of the weights."""

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('Embed')
class Embed(Layer):
    """An InnerProduct of one-hot vectors, given as their indices 0..input_dim - 1."""

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.embed_param
        if p.num_output < 1 or p.input_dim < 1:
            raise ValueError(f'num_output ({p.num_output}) and input_dim ({p.input_dim}) must be '
                             'given, at least 1')
        if len(self.param.blobs) not in (0, 1 + p.bias_term):
            raise ValueError(f'the layer carries {len(self.param.blobs)} param blob(s); expected '
                             f'{1 + p.bias_term} (bias_term is {str(p.bias_term).lower()})')
        self.add_blob((p.input_dim, p.num_output), p.weight_filler)
        if p.bias_term:
            self.add_blob((p.num_output,), p.bias_filler)

    def indices(self, bottom: Blob) -> torch.Tensor:
        """Return the rows that the bottom names, flat; on a GPU without a check, which would wait.
        """
        found = bottom.data.reshape(-1).long()
        if found.device.type == 'cpu' and found.numel():
            low, high = torch.aminmax(found)
            if low < 0 or high >= self.param.embed_param.input_dim:
                raise ValueError(f'bottom {bottom.name!r} has indices from {int(low)} to '
                                 f'{int(high)}; expected 0 to '
                                 f'{self.param.embed_param.input_dim - 1} (input_dim - 1)')
        return found

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        y = self.blobs[0].data.index_select(0, self.indices(bottom[0]))
        if len(self.blobs) > 1:
            y += self.blobs[1].data
        top[0].data = y.view(top[0].shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        rows = g.cast(bottoms[0], np.int64)
        weight = g.const(self.blobs[0].data, name='weight')
        if len(self.blobs) == 1:
            return [g.add('Gather', weight, rows, out=tops[0])]
        bias = g.const(self.blobs[1].data, name='bias')
        return [g.add('Add', g.add('Gather', weight, rows), bias, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[0]:
            raise ValueError(f'Embed cannot backpropagate to the indices, bottom '
                             f'{bottom[0].name!r}')
        diff = top[0].diff.reshape(-1, top[0].shape[-1])
        if self.param_propagate_down[0]:
            rows = torch.zeros_like(self.blobs[0].data)
            self.blobs[0].add_diff(rows.index_add_(0, self.indices(bottom[0]), diff))
        if len(self.blobs) > 1 and self.param_propagate_down[1]:
            self.blobs[1].add_diff(diff.sum(0))
