"""LSTM over a sequence (src/caffe/layers/lstm_layer.cpp)."""

import torch

from port.engine.registry import layer
from port.layers.bases.recurrent import Recurrent, Tensors
from port.layers.lstm_unit import step, step_back


@layer('LSTM')
class LSTM(Recurrent):
    """gates[t] = W_xc x[t] + b_c + W_hc (cont[t] h[t-1]) [+ W_xc_static x_static]; LSTMUnit makes
    c[t] and h[t] of it. Top: h of all steps; with expose_hidden also the last h and c.

    blobs: W_xc, b_c, [W_xc_static,] W_hc. Exposed bottoms and tops: h, then c.
    """

    hidden = ('h', 'c')
    gates = 4

    def run(self, inputs: torch.Tensor, cont: torch.Tensor,
            state: Tensors) -> tuple[torch.Tensor, Tensors]:
        (h, c), weights = state, self.blobs[self.hidden_at].data.T
        self.cont, self.held, self.steps, outputs = cont, [], [], []
        for t in range(self.length):
            self.held.append(h * cont[t])
            c, h, kept = step(c, inputs[t] + self.held[t] @ weights, cont[t])
            self.steps.append(kept)
            outputs.append(h)
        return torch.stack(outputs), [h, c]

    def run_back(self, diff: torch.Tensor) -> torch.Tensor:
        weights = self.blobs[self.hidden_at].data
        h, c = torch.zeros_like(diff[0]), torch.zeros_like(diff[0])
        gates = diff.new_empty(*diff.shape[:2], 4 * self.width)
        for t in reversed(range(self.length)):
            c, gates[t] = step_back(self.steps[t], c, diff[t] + h)
            h = (gates[t] @ weights) * self.cont[t]
        self.learn(self.hidden_at, gates.flatten(0, 1).T @ torch.cat(self.held))
        return gates
