"""Which algorithm computes a convolution: the one place where that is decided.

The first row is taken that has the layer's shape and pays for the size of its bottom.

| forward          | gradient of the bottom | of the weights  | taken for                          |
|------------------|------------------------|-----------------|------------------------------------|
| ByWinograd       | ByWinograd             | ByWinograd      | 3 x 3, channels that fill vectors  |
| ByLargeWeights   | ByLargeWeights         | ByLargeWeights  | weights from 4 million values on,  |
|                  |                        |                 | in training often from 2 million;  |
|                  |                        |                 | with holes in training alone, and  |
|                  |                        |                 | where windows take 256 MB at most  |
| ByProduct        | ByProduct              | ByProduct       | such weights, for few windows;     |
|                  |                        |                 | 1 x 1 where weights are not fixed  |
| ByFourier        | ByFourier              | ByFourier       | 5 x 5 to 8 x 8 over enough pixels  |
| ByTaps           | next row               | next row        | fixed weights, few outputs         |
| ByWindows        | next row               | next row        | fixed weights; up to 384 terms: an |
|                  |                        |                 | image's layer                      |
| ByOneDnn         | -                      | -               | fixed weights without our kernels  |
| ByTorch          | ByTorch                | ByTorch         | everything else                    |

All but ByWinograd, ByLargeWeights, ByFourier, ByTaps and ByWindows, which take kernels of ours, run
wherever torch does. Layers that are no convolution over rows and columns keep their own arithmetic.
"""

from collections.abc import Sequence

import torch

from port.fast.convolutions.algorithms import ByOneDnn, ByProduct, ByTorch, Gradients
from port.fast.convolutions.by_kernels import (
    ByFourier,
    ByLargeWeights,
    ByTaps,
    ByWindows,
    ByWinograd,
)
from port.fast.convolutions.task import Pads, Task

FORWARD = (ByWinograd, ByLargeWeights, ByProduct, ByFourier, ByTaps, ByWindows, ByOneDnn, ByTorch)
BACKWARD = (ByWinograd, ByLargeWeights, ByProduct, ByFourier, ByTorch)


class ChosenConvolution:
    """A task with its algorithms, in the order in which they are asked."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.forward_ways = [way(task) for way in FORWARD if way.suits(task)]
        self.backward_ways = [way(task) for way in BACKWARD if way.suits_backward(task)]

    def refresh(self) -> None:
        """Let go of weights that may change."""
        for way in (*self.forward_ways, *self.backward_ways):
            way.forget()

    @property
    def writes(self) -> bool:
        """Whether results are written straight into memory that is given."""
        return self.forward_ways[0].writes

    @property
    def sums_in_place(self) -> bool:
        """Whether `write` may put the sum over what is added."""
        return all(way.sums_in_place for way in self.forward_ways)

    def forward(self, x: torch.Tensor, pads: Pads,
                plus: torch.Tensor | None = None) -> torch.Tensor:
        """Return what the task wants of a bottom. plus: what is added to the outputs."""
        return next(way for way in self.forward_ways if way.takes(x, pads)).forward(x, pads, plus)

    def write(self, x: torch.Tensor, pads: Pads, out: torch.Tensor,
              plus: torch.Tensor | None = None) -> None:
        """Write what the task wants of a bottom to memory of its size."""
        next(way for way in self.forward_ways if way.takes(x, pads)).write(x, pads, out, plus)

    def gradients(self, dy: torch.Tensor, x: torch.Tensor, pads: Pads,
                  mask: Sequence[bool]) -> Gradients:
        """Return the gradients of the bottom, the weights and the bias that the mask asks for, from
        that of the outputs before ReLU and maxima.
        """
        mask = [*mask, False][:3]
        way = next(way for way in self.backward_ways if way.takes_backward(x, pads, mask))
        return way.gradients(dy, x, pads, mask)
