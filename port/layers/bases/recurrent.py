"""What LSTM and RNN share (src/caffe/layers/recurrent_layer.cpp): bottoms, parameters, state.

Caffe unrolls a net of T steps; here the steps are a loop and backward runs it in reverse.
Bottoms: x (T x N x ...), cont (T x N), maybe x_static (N x ...), and with expose_hidden the
hidden state to start from. cont[t, n] = 0 begins a new sequence.
"""

import logging
from math import prod

import torch

from netspec.schema.messages import LayerParameter
from port.engine.blob import Blob
from port.engine.layer import Layer

log = logging.getLogger('port.net')
Tensors = list[torch.Tensor]


class Recurrent(Layer):
    """Base of the recurrent layers; a subclass names its hidden states and writes `run`.

    hidden: names of what goes from step to step, N x D each. gates: D-wide inputs of a step.
    Without expose_hidden a batch begins where the last one ended (cont 0 forgets it); no
    gradient crosses batches, nor goes to or comes from the exposed hidden states, as in Caffe.
    blobs: input weights, their bias, maybe the static input's weights, hidden weights.
    """

    hidden: tuple[str, ...] = ('h',)
    gates = 1

    def __init__(self, param: LayerParameter, phase: int) -> None:
        super().__init__(param, phase)
        exposed = len(self.hidden) if param.recurrent_param.expose_hidden else 0
        self.exposed, self.static = exposed, False

    def allow_force_backward(self, index: int) -> bool:
        return index != 1

    # -- what a subclass writes ------------------------------------------------------------------

    def add_output_blobs(self) -> None:
        """Append parameters after the hidden weights."""

    def run(self, inputs: torch.Tensor, cont: torch.Tensor,
            state: Tensors) -> tuple[torch.Tensor, Tensors]:
        """Run all steps: inputs T x N x gates*D -> outputs T x N x D and the last state."""
        raise NotImplementedError

    def run_back(self, diff: torch.Tensor) -> torch.Tensor:
        """Turn the outputs' diff into the inputs' diff; add to the later parameters' diffs."""
        raise NotImplementedError

    # -- Caffe's steps -----------------------------------------------------------------------------

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.recurrent_param
        self.width = given.num_output
        if not self.width:
            raise ValueError('recurrent_param { num_output } must be positive, got 0')
        self.static = len(bottom) > 2 + self.exposed
        self._check(bottom)
        self.length, self.streams = bottom[0].shape[:2]
        rows = self.gates * self.width
        self.add_blob((rows, prod(bottom[0].shape[2:])), given.weight_filler)
        self.add_blob((rows,), given.bias_filler)
        if self.static:
            self.add_blob((rows, prod(bottom[2].shape[1:])), given.weight_filler)
        self.hidden_at = len(self.blobs)
        self.add_blob((rows, self.width), given.weight_filler)
        self.add_output_blobs()
        self.carried = [Blob(name, (self.streams, self.width), self.dtype, self.device)
                        for name in self.hidden]

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self._check(bottom)
        if bottom[0].shape[0] != self.length:
            raise ValueError(f'the number of timesteps changed from {self.length} to '
                             f'{bottom[0].shape[0]}; expected the same in every pass')
        self.streams = bottom[0].shape[1]
        state = (1, self.streams, self.width)
        for blob in bottom[len(bottom) - self.exposed:]:
            if blob.shape != state:
                raise ValueError(f'hidden state {blob.name!r} has shape {list(blob.shape)}; '
                                 f'expected {list(state)}')
        for blob in self.carried:
            blob.reshape(self.streams, self.width)
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x, cont = bottom[0].data.flatten(2), bottom[1].data
        inputs = torch.nn.functional.linear(x, self.blobs[0].data, self.blobs[1].data)
        if self.static:
            inputs += bottom[2].data.flatten(1) @ self.blobs[2].data.T
        start = bottom[len(bottom) - self.exposed:] if self.exposed else self.carried
        state = [blob.data.reshape(self.streams, self.width) for blob in start]
        top[0].data, last = self.run(inputs, cont[..., None], state)
        for blob, value in zip(self.carried, last, strict=True):
            blob.data = value
        for blob, value in zip(top[1:], last, strict=bool(self.exposed)):
            blob.data = value[None].clone()
        self._tell('Forward', 'data', dict(zip(self.hidden, last, strict=True)))

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if propagate_down[1]:
            raise ValueError('cannot backpropagate to the sequence indicators')
        diff = self.run_back(top[0].diff)
        rows = diff.flatten(0, 1)
        self.learn(0, rows.T @ bottom[0].data.flatten(2).flatten(0, 1))
        self.learn(1, rows.sum(0))
        if propagate_down[0]:
            bottom[0].diff = (rows @ self.blobs[0].data).reshape(bottom[0].shape)
        if self.static:
            over = diff.sum(0)
            self.learn(2, over.T @ bottom[2].data.flatten(1))
            if propagate_down[2]:
                bottom[2].diff = (over @ self.blobs[2].data).reshape(bottom[2].shape)
        self._tell('Backward', 'diff', {'gate inputs': diff})

    def learn(self, index: int, gradient: torch.Tensor) -> None:
        """Add a gradient to a parameter, with lr_mult 0 too: Caffe's unrolled net knows none."""
        self.blobs[index].add_diff(gradient)

    # -- the state between batches ---------------------------------------------------------------

    def reset(self) -> None:
        """Forget the hidden state: the next batch begins from zero."""
        for blob in self.carried:
            blob.drop_data()

    def state(self) -> dict[str, list] | None:
        """Return the hidden state that the next batch begins from; None where it is a bottom."""
        return None if self.exposed else {b.name: b.data.tolist() for b in self.carried}

    def restore(self, state: dict[str, list]) -> None:
        """Continue from a `state`; ValueError where it is another layer's."""
        for blob in self.carried:
            value = torch.tensor(state.get(blob.name, ()), dtype=self.dtype, device=self.device)
            if value.dim() != 2 or value.shape[1] != self.width:
                raise ValueError(f'the snapshot holds no hidden state {blob.name!r} of width '
                                 f'{self.width}')
            blob.data = value

    def _check(self, bottom: list[Blob]) -> None:
        x, cont = bottom[:2]
        if len(x.shape) < 3:
            raise ValueError(f'{x.name!r} has shape {list(x.shape)}; expected timesteps x streams '
                             'x features')
        if cont.shape != x.shape[:2]:
            raise ValueError(f'{cont.name!r} has shape {list(cont.shape)}; expected timesteps x '
                             f'streams as {x.name!r} has them, {list(x.shape[:2])}')
        if self.static and (len(bottom[2].shape) < 2 or bottom[2].shape[0] != x.shape[1]):
            raise ValueError(f'static input {bottom[2].name!r} has shape {list(bottom[2].shape)}; '
                             f'expected streams x features with {x.shape[1]} streams')

    def _tell(self, way: str, what: str, values: dict[str, torch.Tensor]) -> None:
        """Log mean absolute values where debug_info asks; the values of all steps together."""
        if self.param.recurrent_param.debug_info:
            for name, value in values.items():
                log.info('    [%s] Layer %s, %s %s: %g', way, self.name, name, what,
                         float(value.abs().mean()))
