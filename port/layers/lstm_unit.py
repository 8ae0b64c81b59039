"""LSTMUnit: one step of an LSTM cell (src/caffe/layers/lstm_unit_layer.cpp)."""

from dataclasses import dataclass

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer


@dataclass
class Step:
    """The values of one step that its backward needs, N x D each (cont: N x 1)."""

    before: torch.Tensor
    i: torch.Tensor
    f: torch.Tensor
    o: torch.Tensor
    g: torch.Tensor
    tanh_c: torch.Tensor


def step(before: torch.Tensor, gates: torch.Tensor,
         cont: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, Step]:
    """c = cont f c' + i g, h = o tanh(c) from c' (N x D), gate inputs (N x 4D, in the order i, f,
    o, g) and cont (N x 1). Returns c, h and what backward needs.
    """
    i, f, o, g = gates.chunk(4, -1)
    i, f, o, g = i.sigmoid(), torch.where(cont == 0, 0, cont * f.sigmoid()), o.sigmoid(), g.tanh()
    c = f * before + i * g
    tanh_c = c.tanh()
    return c, o * tanh_c, Step(before, i, f, o, g, tanh_c)


def step_back(s: Step, c_diff: torch.Tensor,
              h_diff: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the diffs of c' (N x D) and of the gate inputs (N x 4D).

    As on Caffe's CPU, f holds cont: its slope f (1 - f) is exact for cont 0 and 1 only.
    """
    c = c_diff + h_diff * s.o * (1 - s.tanh_c * s.tanh_c)
    gates = torch.cat([c * s.g * s.i * (1 - s.i), c * s.before * s.f * (1 - s.f),
                       h_diff * s.tanh_c * s.o * (1 - s.o), c * s.i * (1 - s.g * s.g)], -1)
    return c * s.f, gates


@layer('LSTMUnit')
class LSTMUnit(Layer):
    """Bottoms: c' (1 x N x D), gate inputs (1 x N x 4D), cont (1 x N). Tops: c, h."""

    def allow_force_backward(self, index: int) -> bool:
        return index != 2

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape = bottom[0].shape
        if len(shape) != 3 or shape[0] != 1:
            raise ValueError(f'{bottom[0].name!r} has shape {list(shape)}; expected 1 x streams x '
                             'width')
        for blob, want in zip(bottom[1:], ((*shape[:2], 4 * shape[2]), shape[:2]), strict=True):
            if blob.shape != want:
                raise ValueError(f'{blob.name!r} has shape {list(blob.shape)}; expected '
                                 f'{list(want)} beside {bottom[0].name!r} {list(shape)}')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        before, gates, cont = (blob.data for blob in bottom)
        top[0].data, top[1].data, self.kept = step(before, gates, cont[..., None])

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[2]:
            raise ValueError('cannot backpropagate to the sequence indicators')
        if propagate_down[0] or propagate_down[1]:
            bottom[0].diff, bottom[1].diff = step_back(self.kept, top[0].diff, top[1].diff)
