"""RNN: a plain recurrent net over a sequence (src/caffe/layers/rnn_layer.cpp)."""

import torch

from port.engine.registry import layer
from port.layers.bases.recurrent import Recurrent, Tensors


@layer('RNN')
class RNN(Recurrent):
    """h[t] = tanh(W_xh x[t] + b_h + W_hh (cont[t] h[t-1]) [+ W_xh_static x_static]);
    top: o[t] = tanh(W_ho h[t] + b_o); with expose_hidden also the last h.

    blobs: W_xh, b_h, [W_xh_static,] W_hh, W_ho, b_o.
    """

    def add_output_blobs(self) -> None:
        given = self.param.recurrent_param
        self.add_blob((self.width, self.width), given.weight_filler)
        self.add_blob((self.width,), given.bias_filler)

    def run(self, inputs: torch.Tensor, cont: torch.Tensor,
            state: Tensors) -> tuple[torch.Tensor, Tensors]:
        (h,), weights = state, self.blobs[self.hidden_at].data.T
        self.cont, self.held, steps = cont, [], []
        for t in range(self.length):
            self.held.append(h * cont[t])
            h = (inputs[t] + self.held[t] @ weights).tanh()
            steps.append(h)
        self.h = torch.stack(steps)
        self.o = torch.nn.functional.linear(self.h, *(b.data for b in self.blobs[-2:])).tanh()
        return self.o.clone(), [h]

    def run_back(self, diff: torch.Tensor) -> torch.Tensor:
        out = diff * (1 - self.o.square())
        self.learn(-2, out.flatten(0, 1).T @ self.h.flatten(0, 1))
        self.learn(-1, out.sum((0, 1)))
        down, weights = out @ self.blobs[-2].data, self.blobs[self.hidden_at].data
        inputs, h = torch.empty_like(diff), torch.zeros_like(diff[0])
        for t in reversed(range(self.length)):
            inputs[t] = (down[t] + h) * (1 - self.h[t].square())
            h = (inputs[t] @ weights) * self.cont[t]
        self.learn(self.hidden_at, inputs.flatten(0, 1).T @ torch.cat(self.held))
        return inputs
