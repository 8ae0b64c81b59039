"""The ways to compute a convolution and its gradients by kernels of ours (port/fast/kernels). What
one of them does not do is left to those of algorithms.py, from which it inherits.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from netspec.window import Window
from port.fast.convolutions.algorithms import (
    ByProduct,
    ByTorch,
    Gradient,
    Gradients,
    Plus,
    Product,
)
from port.fast.convolutions.padding import padded, unpadded, with_zeros
from port.fast.convolutions.task import Pads, Task
from port.fast.kernels import (
    calls,
    combine,
    fourier,
    large_weights,
    large_windows,
    windows,
    winograd,
)
from port.fast.kernels.planes import LAST
from port.native.kept_memory import empty

POINT = Window((1, 1), (1, 1), (0, 0), (1, 1))
DEEP, FEWER = 64, 0.8       # channels, and products, of a window taken place by place
# The share of places that lie in the image, up to which ByWindows does better than ByTaps:
# it leaves out the others.
MOSTLY_OUTSIDE = 1 / 3
MOST_TERMS = 384            # of an output over few channels: AlexNet's first layer has 363
FEW_WINDOWS = 24            # below which such weights cost the same to read either way
MOST_HOLED = 1 << 26        # values of all windows with holes, 256 MB: torch gathers none
# Tiles of a layer's top in the whole batch from which Fourier transforms pay: those of the
# weights are as much work for one tile as for a thousand (measured for 64 channels, 7 x 7).
FORWARD_TILES, BACKWARD_TILES = 36, 56
LEARNING_TILES = 16         # from which on transforms pay for the gradient of Winograd's weights
# Of the products without transforms, up to which Winograd's pay for kernels with holes: where the
# others leave out what no window reads, and where torch computes them.
HOLED, TORCH_HOLED = 0.65, 0.8


def places_read(task: Task, x: torch.Tensor, pads: Pads) -> int:
    """Return how many places within the image the windows of a task together read."""
    left, _, above, _ = pads
    return windows.count_read((x.shape[2], x.shape[3]), task.size(x, pads), (above, left),
                              task.window)


class ByWinograd(ByTorch):
    """3 x 3 kernels by Winograd's transforms (winograd.c, winograd_weights.c)."""

    writes, sums_in_place = True, False

    @classmethod
    def suits(cls, task: Task) -> bool:
        return cls._shaped(task) and not (task.halved and task.window.dilation != (1, 1))

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        return cls._shaped(task, turned=True)

    @staticmethod
    def _shaped(task: Task, turned: bool = False) -> bool:
        w = task.window
        return (task.for_kernels and {*w.stride} == {1} and len({*w.dilation}) == 1
                and winograd.fits_winograd(task.kernel, turned))

    def takes(self, x: torch.Tensor, pads: Pads) -> bool:
        task, size = self.task, self.task.size(x, pads)
        return self._pays(size, HOLED * places_read(task, x, pads) if task.fixed
                          else TORCH_HOLED * 9 * prod(size))

    def takes_backward(self, x: torch.Tensor, pads: Pads, mask: Sequence[bool]) -> bool:
        size = x.shape[2], x.shape[3]
        return self._pays(size, TORCH_HOLED * 9 * prod(size))

    def _pays(self, size: tuple[int, int], most: float) -> bool:
        """Whether so many outputs, with holes, fill their tiles well enough: all of a channel take
        `most` products or fewer.
        """
        step = self.task.window.dilation[0]
        tiles, channels = winograd.tiles((1, 1, *size), step), self.task.kernel.shape[1]
        return step == 1 or tiles * winograd.products(channels) <= most

    def _pack(self) -> Any:
        return winograd.pack_winograd(self.task.weight)

    def forward(self, x: torch.Tensor, pads: Pads, plus: Plus = None) -> torch.Tensor:
        task = self.task
        size = [-(-n // 2) if task.halved else n for n in task.size(x, pads)]
        out = empty(x.shape[0], task.layer.num_output, *size, memory_format=LAST)
        self.write(x, pads, out, plus)
        return out

    def write(self, x: torch.Tensor, pads: Pads, out: torch.Tensor, plus: Plus = None) -> None:
        task, (left, _, above, _) = self.task, pads
        winograd.winograd(x, (above, left), self.packed(), task.bias, task.relu and plus is None,
                          task.halved, out, task.size(x, pads), task.window.dilation[0])
        if plus is not None:
            combine.add_up(out, plus, (1., 1.), task.relu, out)

    def gradients(self, dy: torch.Tensor, x: torch.Tensor, pads: Pads,
                  mask: Sequence[bool]) -> Gradients:
        """Return the gradients; the bottom's is a convolution with the kernels turned by half."""
        (left, _, above, _), (step, _) = pads, self.task.window.dilation
        down, *learn = mask
        weight: Gradient
        if learn[0] and self._learns_so(dy, step):
            weight = winograd.weight_gradient(dy, x, (above, left), step)
            bias = dy.sum((0, 2, 3)) if learn[1] else None
        else:
            _, weight, bias = super().gradients(dy, x, pads, [False, *learn])
        if not down:
            return None, weight, bias
        out = empty(*x.shape, memory_format=LAST)
        winograd.winograd(dy.contiguous(memory_format=LAST), (2 * step - above, 2 * step - left),
                          self._once('down', self._pack_turned), None, False, False, out,
                          (x.shape[2], x.shape[3]), step)
        return out, weight, bias

    def _pack_turned(self) -> torch.Tensor:
        return winograd.pack_winograd(self.task.weight, turned=True)

    def _learns_so(self, dy: torch.Tensor, step: int) -> bool:
        """Whether the weights' gradient is taken by transforms, too."""
        return (winograd.fits_winograd(self.task.kernel)
                and winograd.tiles(dy.shape, step) >= LEARNING_TILES)


class ByWindows(ByWinograd):
    """Any window by a matrix product of what the windows read (windows.c): with fixed weights, or
    over an image's few channels. No gradients.
    """

    sums_in_place = True

    @classmethod
    def suits(cls, task: Task) -> bool:
        wide = task.fixed and task.dtype in (None, torch.float32)
        few = prod(task.kernel.shape[1:]) <= MOST_TERMS
        return task.for_kernels and not task.halved and (wide or few)

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        return False

    def takes(self, x: torch.Tensor, pads: Pads) -> bool:
        return True

    def _pack(self) -> Any:
        return windows.pack_windows(self.task.weight)

    def write(self, x: torch.Tensor, pads: Pads, out: torch.Tensor, plus: Plus = None) -> None:
        task, (left, _, above, _) = self.task, pads
        windows.windows(x, (above, left), self.packed(), task.bias, task.window, task.relu, out,
                        plus)


class ByTaps(ByWindows):
    """Few outputs, as scores of classes have: one matrix product for all places of the window,
    whose parts are then shifted and added up. Three times 3 x 3 x 21 outputs fill the blocks of
    which windows of 21 outputs each leave a third empty, and nothing is gathered.
    """

    @classmethod
    def suits(cls, task: Task) -> bool:
        if not super().suits(task) or {*task.window.stride} != {1}:
            return False
        outputs, channels, *kernel = task.kernel.shape
        apart, together = (windows.filled(channels, n)[1]
                           for n in (outputs, outputs * prod(kernel)))
        return task.fixed and channels >= DEEP and FEWER * prod(kernel) * apart > together

    def takes(self, x: torch.Tensor, pads: Pads) -> bool:
        places = prod(self.task.size(x, pads)) * prod(self.task.window.kernel)
        return places_read(self.task, x, pads) > MOSTLY_OUTSIDE * places

    def _pack(self) -> Any:
        weight = self.task.weight.permute(2, 3, 0, 1).flatten(0, 2)     # places outputs x channels
        return windows.pack_windows(weight[:, :, None, None])

    def write(self, x: torch.Tensor, pads: Pads, out: torch.Tensor, plus: Plus = None) -> None:
        task, (left, _, above, _) = self.task, pads
        wide = prod(task.window.kernel) * out.shape[1]
        parts = torch.empty(x.shape[0], wide, *x.shape[2:], memory_format=LAST)
        windows.windows(x, (0, 0), self.packed(), None, POINT, False, parts)
        windows.places(parts, (above, left), task.bias, task.window, task.relu, out, plus)


class ByFourier(ByTorch):
    """5 x 5 to 8 x 8 kernels over enough pixels, by Fourier transforms of tiles (fourier.c).

    Where channels do not fill vectors, only the weights' gradient.
    """

    @classmethod
    def suits(cls, task: Task) -> bool:
        return (cls.suits_backward(task) and task.dtype in (None, torch.float32)
                and task.kernel.shape[1] % calls.vector_width() == 0)

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        return task.for_kernels and task.dense and fourier.fits(task.kernel)

    def _tiles(self, x: torch.Tensor, pads: Pads) -> int:
        left, right, above, below = pads
        return fourier.tiles(x.shape, (above + below, left + right), self.task.window.kernel[0])

    def takes(self, x: torch.Tensor, pads: Pads) -> bool:
        return self._tiles(x, pads) >= FORWARD_TILES

    def takes_backward(self, x: torch.Tensor, pads: Pads, mask: Sequence[bool]) -> bool:
        return (self._tiles(x, pads) >= BACKWARD_TILES
                and not (mask[0] and x.shape[1] % calls.vector_width()))

    def _pack(self) -> Any:
        return fourier.spectrum(self.task.weight)

    def forward(self, x: torch.Tensor, pads: Pads, plus: Plus = None) -> torch.Tensor:
        x, pad = padded(x.float(), pads, self.task.window)
        y, _ = fourier.transform(x.contiguous(memory_format=LAST), pad,
                                 self.task.window.kernel[0], self.packed())
        assert y is not None, 'there are weights, so there is a convolution'
        bias = self.task.bias
        return self.task.finish(y if bias is None else y.add_(bias.view(-1, 1, 1)), plus)

    def gradients(self, dy: torch.Tensor, x: torch.Tensor, pads: Pads,
                  mask: Sequence[bool]) -> Gradients:
        whole, pad = padded(x, pads, self.task.window)
        down, weight = fourier.gradients(dy, whole, self.task.weight, pad, mask[0], mask[1])
        return (unpadded(down, pads) if whole is not x else down, weight,
                dy.sum((0, 2, 3)) if mask[2] else None)


class ByLargeWeights(ByProduct):
    """The same product, by kernels that read the weights once (large_weights.c): as they stand,
    fc6's 411 MB; in bfloat16 a copy of half that.
    """

    @classmethod
    def suits(cls, task: Task) -> bool:
        if task.fixed and not task.dense:        # which windows of packed weights do better
            return False
        dtype = task.dtype or torch.float32
        return (cls.large(task) and task.for_kernels and dtype in (torch.float32, torch.bfloat16)
                and large_weights.fits(task.kernel, dtype))

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        return cls.suits(task) and large_weights.fits_gradients(task.kernel)

    def takes(self, x: torch.Tensor, pads: Pads) -> bool:
        count, terms = x.shape[0] * prod(self.task.size(x, pads)), self.task.kernel[0].numel()
        # In bfloat16 always: ByProduct would keep one more copy.
        enough = count >= FEW_WINDOWS or self.task.dtype == torch.bfloat16
        return enough and (self.task.dense or count * terms <= MOST_HOLED)

    def takes_backward(self, x: torch.Tensor, pads: Pads, mask: Sequence[bool]) -> bool:
        return self.takes(x, pads)

    def _pack(self) -> Any:
        return self.task.weight.to(self.task.dtype or torch.float32).flatten(1)

    def forward(self, x: torch.Tensor, pads: Pads, plus: Plus = None) -> torch.Tensor:
        task, window, weight = self.task, self.task.window, self.packed()
        x = with_zeros(x.float(), pads)
        found = large_weights.large_weights(
            large_windows.panels_of_windows(x, window, weight.dtype),
            large_windows.count_windows(x, window), weight)
        y = found.contiguous().view(len(x), *task.size(x, (0, 0, 0, 0)), -1).permute(0, 3, 1, 2)
        return task.finish(y if task.bias is None else y.add_(task.bias.view(-1, 1, 1)), plus)

    def _down(self, rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        found = large_weights.windows_gradient(rows, self.task.weight.flatten(1))
        return large_windows.put_together(found, shape, self.task.window)

    def _learnt(self, rows: torch.Tensor, x: torch.Tensor) -> Gradient:
        panels = large_windows.panels_of_terms(x, self.task.window)
        return Product(large_weights.weights_gradient(rows, panels), self.task.weight.shape)
