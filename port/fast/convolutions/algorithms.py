"""The ways to compute a convolution and its gradients that run wherever torch does; by_kernels.py
has those by kernels of ours, and choice.py says which is taken when.

Each is made for one Task and computes from a bottom x, N x C x H x W, and from how many rows and
columns of zeros are to be thought around it (pads: left, right, above, below).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
import torch.nn.functional as F

from port.engine.caffe_order import ENOUGH
from port.engine.params import Parts
from port.fast.convolutions.padding import padded, rows_of, unpadded, with_zeros
from port.fast.convolutions.task import Pads, Task
from port.fast.kernels.planes import LAST
from port.native.jobs import Notes, not_by_jobs
from port.native.kept_memory import empty

ATEN, ONEDNN = torch.ops.aten, torch.ops.mkldnn
LARGE = 1 << 22             # values of a weight, from which on one matrix product is better
PIECES, LEAST = 4, 128      # of oneDNN's sums over channels, of each at least so many
Plus = torch.Tensor | None


@dataclass
class Product:
    """The gradient of large weights, which is computed part by part: fc6's is 411 MB, and who
    updates its weights part by part never needs memory for all of it.

    parts: yields some outputs, and the gradient of their weights, until all are done; once only.
    shape: of the weights.
    """

    parts: Parts
    shape: torch.Size

    def whole(self) -> torch.Tensor:
        """Return the gradient."""
        found = torch.empty(self.shape)
        for outputs, part in self.parts:
            found[outputs] = part.view(-1, *self.shape[1:])
        return found


Gradient = torch.Tensor | Product | None         # a Product of weights only
Gradients = tuple[torch.Tensor | None, Gradient, torch.Tensor | None]


class ByTorch:
    """torch's own convolution; the base of the others, which leave to it what they do not do.

    writes: whether the result goes straight into memory that is given. sums_in_place: whether what
    is added may lie there.
    """

    writes, sums_in_place = False, True

    def __init__(self, task: Task) -> None:
        self.task = task
        self._kept: dict[str, Any] = {}
        self._left: dict[str, int] = {}        # how many will ask for what is kept

    @classmethod
    def suits(cls, task: Task) -> bool:
        """Whether the algorithm can compute a task, for some sizes of bottom at least."""
        return True

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        """Whether it can compute a gradient of the task."""
        return True

    def takes(self, x: torch.Tensor, pads: Pads) -> bool:
        """Whether it pays for a bottom of this size."""
        return True

    def takes_backward(self, x: torch.Tensor, pads: Pads, mask: Sequence[bool]) -> bool:
        """Whether it pays for the gradients that are asked for."""
        return True

    def forget(self) -> None:
        """Let go of weights that may change."""
        if not self.task.fixed:
            self._kept.clear()

    def packed(self) -> Any:
        """Return the weights as this algorithm reads them."""
        return self._once('forward', self._pack)

    def _once(self, purpose: str, pack: Callable[[], Any]) -> Any:
        """Return the weights as `pack` lays them. Fixed ones are kept for good; others until all
        operations that share them have had them, or the next pass begins.
        """
        found = self._kept.get(purpose)
        if found is None:
            with Notes().on():               # apart: what is packed once is not to be repeated
                found = self._kept[purpose] = pack()
            self._left[purpose] = self.task.uses
        if not self.task.fixed:
            self._left[purpose] -= 1
            if not self._left[purpose]:
                del self._kept[purpose]
        return found

    def _pack(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        task, dtype = self.task, self.task.dtype or self.task.kernel.dtype
        weight = task.weight.to(dtype)
        if task.fixed and not task.cpu:
            weight = weight.to(memory_format=LAST)
        return weight, None if task.bias is None else task.bias.to(dtype)

    def forward(self, x: torch.Tensor, pads: Pads, plus: Plus = None) -> torch.Tensor:
        """Return what the task wants. plus: what is added to the convolution's outputs."""
        (weight, bias), w = self.packed(), self.task.window
        x, pad = padded(x.to(weight.dtype), pads, w)
        return self.task.finish(F.conv2d(x, weight, bias, w.stride, pad, w.dilation,
                                         self.task.layer.group), plus)

    def write(self, x: torch.Tensor, pads: Pads, out: torch.Tensor, plus: Plus = None) -> None:
        """Write what the task wants to memory of its size."""
        not_by_jobs()
        out.copy_(self.forward(x, pads, plus))

    def gradients(self, dy: torch.Tensor, x: torch.Tensor, pads: Pads,
                  mask: Sequence[bool]) -> Gradients:
        """Return the gradients of x, the weights and the bias from that of the outputs (before
        ReLU and maxima), each where the mask asks for it.
        """
        if not any(mask):
            return None, None, None
        layer, w = self.task.layer, self.task.window
        whole, pad = padded(x, pads, w)
        down, weight, bias = ATEN.convolution_backward(
            dy, whole, self.task.weight, [layer.num_output], w.stride, pad, w.dilation, False,
            [0, 0], layer.group, list(mask))
        return (unpadded(down, pads) if whole is not x else down,
                weight if mask[1] else None, bias)      # asked for the bias alone it gives both


class ByProduct(ByTorch):
    """One matrix product of all windows, each a row, with the weights. For 1 x 1 kernels the rows
    are the pixels as they stand; for large ones (fc6) the product is better than reordering
    hundreds of megabytes of weights.
    """

    @staticmethod
    def large(task: Task) -> bool:
        """Whether the weights are far more than what is read of the image, by windows at every
        position, with holes or without. In training half of LARGE is enough for kernels above
        3 x 3: torch would put the weights into another order twice a step.
        """
        learnt = not task.fixed and prod(task.window.kernel) > 9
        return ({*task.window.stride} == {1} and task.layer.group == 1
                and task.kernel.numel() >= (LARGE // 2 if learnt else LARGE))

    @classmethod
    def suits(cls, task: Task) -> bool:
        if not task.dense:
            return False
        if task.fixed:
            return task.cpu and cls.large(task)
        return cls.large(task) or task.cpu and task.window.kernel == (1, 1)

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        return cls.suits(task)

    def _windows(self, x: torch.Tensor) -> torch.Tensor:
        """Return one row of channels x window for each position of the window within x."""
        if self.task.window.kernel == (1, 1):
            return rows_of(x)
        return F.unfold(x.contiguous(), self.task.window.kernel).transpose(1, 2).flatten(0, 1)

    def forward(self, x: torch.Tensor, pads: Pads, plus: Plus = None) -> torch.Tensor:
        weight, bias = self.packed()
        x = with_zeros(x.to(weight.dtype), pads)
        rows, matrix = self._windows(x), weight.flatten(1).T
        few = len(rows)
        if 1 < few < ENOUGH:
            rows = F.pad(rows, (0, 0, 0, ENOUGH - few))
        y = empty(len(rows), matrix.shape[1], dtype=rows.dtype, device=rows.device)
        if bias is None:
            torch.mm(rows, matrix, out=y)
        else:
            torch.addmm(bias, rows, matrix, out=y)
        y = y[:few]
        size = self.task.size(x, (0, 0, 0, 0))
        return self.task.finish(y.view(x.shape[0], *size, -1).permute(0, 3, 1, 2), plus)

    def gradients(self, dy: torch.Tensor, x: torch.Tensor, pads: Pads,
                  mask: Sequence[bool]) -> Gradients:
        whole, rows = with_zeros(x, pads), rows_of(dy)
        return (unpadded(self._down(rows, whole.shape) if mask[0] else None, pads),
                self._learnt(rows, whole) if mask[1] else None,
                rows.sum(0) if mask[2] else None)

    def _down(self, rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """Return the gradient of the padded bottom, of a shape, from that of the outputs, windows x
        outputs.
        """
        (n, c, h, w), weight = shape, self.task.weight.flatten(1)
        windows = empty(len(rows), weight.shape[1], dtype=rows.dtype, device=rows.device)
        torch.mm(rows, weight, out=windows)
        if self.task.window.kernel == (1, 1):
            return windows.view(n, h, w, c).permute(0, 3, 1, 2)
        windows = windows.view(n, -1, windows.shape[1]).transpose(1, 2)
        return F.fold(windows, (h, w), self.task.window.kernel)

    def _learnt(self, rows: torch.Tensor, x: torch.Tensor) -> Gradient:
        """Return the gradient of the weights. x: the padded bottom."""
        windows = self._windows(x)
        weight = empty(rows.shape[1], windows.shape[1], dtype=rows.dtype, device=rows.device)
        return torch.mm(rows.T, windows, out=weight).view(self.task.weight.shape)


class ByOneDnn(ByTorch):
    """oneDNN with fixed weights in its own order, which torch's convolution makes at each call.

    It adds up all channels in one long sum, whose rounding error grows with them; so it is given
    as few as 128 of them at a time, in up to four pieces (in bfloat16 the sum between would be
    rounded: there all).
    """

    @classmethod
    def suits(cls, task: Task) -> bool:
        return task.fixed and task.cpu and hasattr(ONEDNN, '_convolution_pointwise')

    @classmethod
    def suits_backward(cls, task: Task) -> bool:
        return False

    def forward(self, x: torch.Tensor, pads: Pads, plus: Plus = None) -> torch.Tensor:
        task, w = self.task, self.task.window
        x, pad = padded(x.to(task.dtype or x.dtype), pads, w)
        how = [list(pad), list(w.stride), list(w.dilation), task.layer.group]
        pieces, whole = self._pieces(), x.contiguous(memory_format=LAST)
        parts = whole.chunk(pieces, 1) if pieces > 1 else (whole,)
        weights, bias = self._once('forward', lambda: self._in_its_order(parts, how))
        last = len(parts) - 1
        relu = ['none'] * last + ['relu' if task.relu else 'none']
        first = parts[0].contiguous(memory_format=LAST)
        if plus is None:
            y = ONEDNN._convolution_pointwise(first, weights[0], bias, *how, relu[0], [], '')
        else:
            y = ONEDNN._convolution_pointwise.binary(
                first, plus.to(first.dtype).contiguous(memory_format=LAST), weights[0], bias,
                *how, 'add', 1.0, None if last else 'relu' if task.relu else None, [], None)
        for part, weight, then in zip(parts[1:], weights[1:], relu[1:], strict=True):
            ONEDNN._convolution_pointwise_.binary(
                y, part.contiguous(memory_format=LAST), weight, None, *how, 'add', 1.0,
                None if then == 'none' else then, [], None)
        return F.max_pool2d(y, 2, 2, ceil_mode=True) if task.halved else y

    def _in_its_order(self, parts: Sequence[torch.Tensor],
                      how: list) -> tuple[list[torch.Tensor], torch.Tensor | None]:
        """Return the weights of each part of the channels, for such bottoms, and the bias."""
        weights, bias = super()._pack()
        return [ONEDNN._reorder_convolution_weight(weight.contiguous(), *how, list(part.shape))
                for weight, part in zip(weights.chunk(len(parts), 1), parts, strict=True)], bias

    def _pieces(self) -> int:
        task = self.task
        whole = task.layer.group > 1 or task.dtype not in (None, torch.float32)
        return 1 if whole else min(PIECES, max(1, task.layer.channels // LEAST))
