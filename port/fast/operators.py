"""What each kind of operation computes, forward and backward, on the parts that a plan asks for.

An operator is given Work, which says which outputs are wanted, and just what these read of the
bottoms. It keeps nothing of a call: what its backward pass needs travels in a Saved.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from netspec.schema.messages import EltwiseParameter, PoolingParameter
from port.engine.blob import Blob
from port.engine.pool_axis import Axis, maximum, route, spread, total
from port.fast.convolutions.algorithms import Gradient, Product
from port.fast.convolutions.choice import ChosenConvolution
from port.fast.convolutions.task import Task, scale_and_shift
from port.fast.kernels import calls
from port.fast.kernels.combine import add_up, channelwise
from port.fast.kernels.planes import last
from port.fast.kernels.pool import pool
from port.fast.kernels.upsample import between, upsample
from port.fast.reach.geometry import Resizing
from port.fast.reach.operations import AFFINE, Operation
from port.fast.reach.plan import Work
from port.native.jobs import not_by_jobs

ATEN = torch.ops.aten
Tensors = list[torch.Tensor]
Learn = Callable[[Blob, torch.Tensor | Product], None]      # takes a part of a parameter's gradient


@dataclass
class Saved:
    """One run of an operator, as its backward pass sees it. own: what the operator left."""

    work: Work
    bottoms: Tensors
    top: torch.Tensor
    own: Any = None


class Operator:
    """The base: a Crop, which the plan has done already by what it lets be read.

    writes: whether `write` puts results straight into the memory that it is given. sums_in_place:
    whether that may be the memory of what is added. any_order: whether it may be of planes, as
    results are given to the caller. kernels: whether it may use kernels of ours,
    and there are any.
    """

    writes = sums_in_place = any_order = False

    def __init__(self, operation: Operation, kernels: bool = True) -> None:
        self.operation, self.layer = operation, operation.layer
        self.kernels = kernels and calls.available()

    def channels(self, bottoms: Tensors) -> int:
        """Return how many channels the outputs have."""
        return bottoms[0].shape[1]

    def refresh(self) -> None:
        """Look at the weights anew, as they may have changed."""

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        """Return the outputs that are asked for."""
        return bottoms[0]

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        """Write the outputs that are asked for to memory of their size."""
        not_by_jobs()
        out.copy_(self.forward(work, bottoms))

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        """Return the outputs, and what the backward pass will need besides them."""
        return self.forward(work, bottoms), None

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        """Return the gradient of each bottom; give those of parameters to `learn`.

        down: whether the bottoms' are asked for.
        """
        return [gradient]

    def by_kernels(self, bottoms: Tensors, out: torch.Tensor) -> bool:
        """Whether kernels of ours may read these tensors and write that one."""
        return self.kernels and all(x.device.type == 'cpu' and x.dtype == torch.float32
                                    for x in (*bottoms, out))

    def check_channels(self, x: torch.Tensor) -> None:
        """Raise ValueError unless a bottom has the channels that the weights are for."""
        if x.shape[1] != self.layer.channels:
            raise ValueError(f'layer {self.operation.name!r}: its bottom has {x.shape[1]} '
                             f'channels; the kernel is for {self.layer.channels}')


class ConvolutionOperator(Operator):
    """A convolution with the layers that have joined it.

    dtype: of torch's arithmetic where ReLU follows. Scores stay in float32. Kernels of ours compute
    in float32 too, but for ByLargeWeights.
    """

    def __init__(self, operation: Operation, kernels: bool = True,
                 dtype: torch.dtype | None = None, fixed: bool = False, uses: int = 1) -> None:
        super().__init__(operation, kernels)
        narrow = dtype if dtype is None or operation.relu else torch.float32
        self.convolution = ChosenConvolution(Task(
            self.layer, operation.relu, operation.pool is not None, narrow, kernels, fixed,
            tuple(operation.affine), uses))
        self.writes = self.convolution.writes
        self.sums_in_place = self.convolution.sums_in_place

    def channels(self, bottoms: Tensors) -> int:
        return int(self.layer.num_output)

    def refresh(self) -> None:
        self.convolution.refresh()

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        self.check_channels(bottoms[0])
        return self.convolution.forward(bottoms[0], work.pads, *bottoms[1:])

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        self.check_channels(bottoms[0])
        self.convolution.write(bottoms[0], work.pads, out, *bottoms[1:])

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        if self.operation.relu:
            gradient = ATEN.threshold_backward(gradient, saved.top, 0)
        asked = self.layer.param_propagate_down
        bottom, *found = self.convolution.gradients(gradient, saved.bottoms[0],
                                                    saved.work.pads, [down, *asked])
        teach(self.layer, found, learn)
        return [bottom]


class PoolingOperator(Operator):
    """Maxima or averages of windows."""

    @staticmethod
    def _axes(work: Work, x: torch.Tensor) -> list[Axis]:
        """Return the windows over the part that is there, cut where the whole bottom ends."""
        return [Axis(dim, x.shape[dim], w.extent, w.stride, max(0, w.pad - s.first * w.stride),
                     s.size)
                for dim, w, s in zip((-2, -1), work.windows, work.outputs, strict=True)]

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        (x,) = bottoms
        axes = self._axes(work, x)
        if self.layer.method == PoolingParameter.MAX:
            y = self._maxima(work, x, axes)
            return maximum(x, *axes) if y is None else y
        return self._divide(work, total(x, *axes))

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        if not self.by_kernels(bottoms, out):
            return super().write(work, bottoms, out)
        average = self.layer.method != PoolingParameter.MAX
        divisors = [divisor.expand(n).contiguous() for divisor, n in zip(
            (d.flatten() for d in self._divisors(work, out)), out.shape[2:], strict=True)]
        return pool(bottoms[0], self._axes(work, bottoms[0]), out, divisors if average else None)

    @staticmethod
    def _divisors(work: Work, like: torch.Tensor) -> list[torch.Tensor]:
        """Return by how much the outputs of each row and of each column are divided: the places of
        a window, which the whole bottom's ends tell.
        """
        found = []
        for dim, rule, size, s in zip((-2, -1), work.windows, work.sizes, work.outputs,
                                      strict=True):
            whole = Axis(dim, size, rule.extent, rule.stride, rule.pad, rule.out)
            divisor = whole.divisor(like)
            found.append(like.new_tensor(divisor) if isinstance(divisor, int) else
                         whole.cut(divisor, slice(*s)))
        return found

    @classmethod
    def _divide(cls, work: Work, sums: torch.Tensor) -> torch.Tensor:
        """Divide each output by the places of its window."""
        for divisor in cls._divisors(work, sums):
            sums /= divisor
        return sums

    @staticmethod
    def _maxima(work: Work, x: torch.Tensor, axes: list[Axis]) -> torch.Tensor | None:
        """Return the maxima by torch's one pass over the memory; None where it would not do all.

        torch pads both ends alike and knows no padding beyond half a window. Windows behind those
        that are asked for are left out again.
        """
        pads = [axis.pad for axis in axes]
        if any(2 * axis.pad > axis.kernel or axis.pad + axis.size < axis.kernel for axis in axes):
            return None
        y = F.max_pool2d(x, [a.kernel for a in axes], [a.stride for a in axes], pads,
                         ceil_mode=True)
        if any(n < s.size for n, s in zip(y.shape[2:], work.outputs, strict=True)):
            return None
        return y[..., :work.outputs[0].size, :work.outputs[1].size]

    def _for_torch(self, work: Work, x: torch.Tensor) -> tuple[Any, ...] | None:
        """Return how torch pools maxima with their places; None where it would not do the same."""
        rules = work.windows
        sizes = [-(-(n - r.extent) // r.stride) + 1
                 for n, r in zip(x.shape[2:], rules, strict=True)]
        if (self.layer.method != PoolingParameter.MAX or any(r.pad for r in rules)
                or sizes != [s.size for s in work.outputs]):
            return None
        return [r.extent for r in rules], [r.stride for r in rules], [0, 0], [1, 1], True

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        shape = self._for_torch(work, bottoms[0])
        if shape is None:
            return self.forward(work, bottoms), None
        y, places = ATEN.max_pool2d_with_indices(bottoms[0], *shape)
        return y, (shape, places)

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        (x,) = saved.bottoms
        if saved.own is not None:
            shape, places = saved.own
            return [ATEN.max_pool2d_with_indices_backward(gradient, x, *shape, places)]
        axes = self._axes(saved.work, x)
        if self.layer.method == PoolingParameter.MAX:
            return [route(gradient, x, *axes)]
        return [spread(self._divide(saved.work, gradient.clone()), *axes)]


@dataclass
class OwnRun:
    """A pass through a layer's own code, on a copy of it."""

    layer: Any
    bottoms: list[Blob]
    top: Blob


class PointOperator(Operator):
    """Layers that compute each position by itself, run by their own code, on copies: those in the
    net stay as they are.
    """

    def _run(self, bottoms: Tensors) -> tuple[torch.Tensor, list[OwnRun]]:
        runs = []
        for layer in self.operation.layers:
            run = OwnRun(copy.copy(layer), [], Blob('top', (), bottoms[0].dtype, bottoms[0].device))
            for x in bottoms:
                run.bottoms.append(Blob('bottom', tuple(x.shape), x.dtype, x.device))
                run.bottoms[-1].data = x
            run.layer.reshape(run.bottoms, [run.top])
            run.layer.forward(run.bottoms, [run.top])
            runs.append(run)
            bottoms = [run.top.data]
        return bottoms[0].relu() if self.operation.relu else bottoms[0], runs

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        layer, alone = self.layer, len(self.operation.layers) == 1
        if not alone or not self.by_kernels(bottoms, out):
            return super().write(work, bottoms, out)
        if layer.type in AFFINE and out.shape[1] == layer.blobs[0].count:
            scale, shift = scale_and_shift(layer)
            return channelwise(bottoms[0], scale.float().contiguous(),
                               torch.as_tensor(shift).expand_as(scale).float().contiguous(),
                               self.operation.relu, out)
        if (layer.type == 'Eltwise' and len(bottoms) == 2
                and layer.param.eltwise_param.operation == EltwiseParameter.SUM):
            return add_up(bottoms[0], bottoms[1], layer.coeff, self.operation.relu, out)
        return super().write(work, bottoms, out)

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        wide = [x.float() if x.is_floating_point() else x for x in bottoms]
        return self.train(work, wide)[0].to(bottoms[0].dtype)

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        if self.operation.kind == 'Dropout':                   # random numbers in Caffe's order
            bottoms = [x.contiguous() for x in bottoms]
        return self._run(bottoms)

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        if self.operation.relu:
            gradient = ATEN.threshold_backward(gradient, saved.top, 0)
        for layer, run in zip(reversed(self.operation.layers), reversed(saved.own), strict=True):
            run.top.diff = gradient
            run.layer.blobs = [_with_own_diff(blob) for blob in layer.blobs]
            run.layer.backward([run.top], [True] * len(run.bottoms), run.bottoms)
            teach(layer, [blob.diff for blob in run.layer.blobs], learn)
            gradient = run.bottoms[0].diff
        return [blob.diff for blob in saved.own[0].bottoms]


def _with_own_diff(blob: Blob) -> Blob:
    """Return a parameter with the same data, whose diff takes the gradient of one pass."""
    mine = Blob(blob.name, blob.shape, blob.dtype, blob.device)
    mine.share_data(blob)
    return mine


def teach(layer: Any, gradients: Sequence[Gradient], learn: Learn) -> None:
    """Give the gradients of a layer's parameters that are asked for to `learn`."""
    for blob, wanted, gradient in zip(layer.blobs, layer.param_propagate_down, gradients,
                                      strict=False):
        if wanted and gradient is not None:
            learn(blob, gradient)


class InterpOperator(PointOperator):
    """An Interp, of whose top a part is asked for: by the places that a Resizing gives (tiles.py),
    else of all that the layer makes.
    """

    any_order = True

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        cut = isinstance(work.rules[0], Resizing)
        if cut or not self.by_kernels(bottoms, out) or 1 not in (out.stride(1), out.stride(3)):
            return super().write(work, bottoms, out)
        p, (x,) = self.layer.param.interp_param, bottoms
        rows, columns = (slice(-p.pad_beg, n + p.pad_end) for n in x.shape[2:])
        x = x[..., rows, columns]
        down, across = (
            between(torch.from_numpy(Resizing(n, rule.out, 0).places(part)), n)
            for n, rule, part in zip(x.shape[2:], work.windows, work.outputs, strict=True))
        return upsample(x, down, across, out)

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        y = bottoms[0].float()
        for dim, rule, part, read in zip((2, 3), work.rules, work.outputs, work.reads, strict=True):
            if not isinstance(rule, Resizing):
                return super().forward(work, bottoms)
            at = torch.from_numpy(rule.places(part)).to(y.device)
            low = at.floor().clamp_(max=rule.size - 1)
            first = low.long() + (rule.cut - read.first)
            after = (first + 1).clamp_(max=y.shape[dim] - 1)
            share = (at - low).view([-1 if i == dim else 1 for i in range(4)])
            y = torch.lerp(y.index_select(dim, first), y.index_select(dim, after), share)
        return last(y.to(bottoms[0].dtype))

    @staticmethod
    def _part(work: Work) -> tuple[Any, ...]:
        return (..., *(slice(*outputs) for outputs in work.outputs))

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        y, own = super().train(work, bottoms)
        return y[self._part(work)], own

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        whole = gradient.new_zeros(saved.own[0].top.shape)
        whole[self._part(saved.work)] = gradient
        return super().backward(saved, whole, down, learn)
