"""Base of the element-wise layers: one bottom, one top of the same shape (Caffe's NeuronLayer).

In place, the top's arrays are the bottom's: `out` is then the very tensor that is read, so a
subclass that keeps Caffe's order of operations keeps Caffe's in-place numbers as well.
"""

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer


class Neuron(Layer):
    """A subclass writes `compute` and, where the function has a gradient, `gradient`."""

    def compute(self, x: torch.Tensor, out: torch.Tensor) -> None:
        """Write f(x) to `out`, which may be x itself."""
        raise NotImplementedError

    def gradient(self, bottom: Blob, top: Blob, diff: torch.Tensor, out: torch.Tensor) -> None:
        """Write the bottom's diff to `out`, which may be `diff`, the top's diff, itself.

        bottom.data and top.data hold what they hold after the forward pass: y both, in place.
        """
        raise ValueError(f'{self.type} has no backward pass')

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data
        out = x if top[0] is bottom[0] else torch.empty_like(x)
        self.compute(x, out)
        top[0].data = out

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        diff = top[0].diff
        out = diff if top[0] is bottom[0] else torch.empty_like(diff)
        self.gradient(bottom[0], top[0], diff, out)
        bottom[0].diff = out


def refuse_in_place(layer: Layer, bottom: list[Blob], top: list[Blob]) -> None:
    """Raise ValueError when a top of `layer` is its first bottom."""
    if any(blob is bottom[0] for blob in top):
        raise ValueError(f'{layer.type} cannot work in place: give the top another name than '
                         f'the bottom {bottom[0].name!r}')
