"""What each kind of operation computes, forward and backward, on the parts that a plan asks for.

An operator is given Work, which says which outputs are wanted, and just what these read of the
bottoms. It keeps nothing of a call: what its backward pass needs travels in a Saved.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F

from netspec.schema.messages import EltwiseParameter, PoolingParameter
from port.engine.blob import Blob
from port.engine.pool_axis import Axis, maximum, route, spread, total
from port.fast.convolutions.choice import ChosenConvolution
from port.fast.convolutions.task import Task
from port.fast.kernels import calls
from port.fast.reach.operations import Operation
from port.fast.reach.plan import Work
from port.fast.unsuited import Unsuited

ATEN = torch.ops.aten
Tensors = list[torch.Tensor]
Leaf = Callable[[Blob], torch.Tensor]           # a parameter, as autograd is to see it
Learn = Callable[[Blob, torch.Tensor], None]    # takes a part of a parameter's gradient


@dataclass
class Saved:
    """One run of an operator, as its backward pass sees it. own: what the operator left."""

    work: Work
    bottoms: Tensors
    top: torch.Tensor
    own: Any = None


class Operator:
    """The base: a Crop, which the plan has done already by what it lets be read.

    writes: whether `write` puts results straight into the memory that it is given. kernels:
    whether it may use kernels of ours, and there are any.
    """

    writes = False

    def __init__(self, operation: Operation, kernels: bool = True) -> None:
        self.operation, self.layer = operation, operation.layer
        self.kernels = kernels and calls.available()

    def refresh(self) -> None:
        """Look at the weights anew, as they may have changed."""

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        """Return the outputs that are asked for."""
        return bottoms[0]

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        """Write the outputs that are asked for to memory of their size."""
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

    def blank(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        """Return the outputs for a small patch of blank values with its padding."""
        return self.forward(work, bottoms)

    def traced_blank(self, work: Work, bottoms: Tensors, leaf: Leaf) -> torch.Tensor:
        """Return the same by functions that autograd can follow, to the bottoms and the leaves."""
        return bottoms[0]

    def check_channels(self, x: torch.Tensor) -> None:
        """Raise ValueError unless a bottom has the channels that the weights are for."""
        if x.shape[1] != self.layer.channels:
            raise ValueError(f'layer {self.operation.name!r}: its bottom has {x.shape[1]} '
                             f'channels; the kernel is for {self.layer.channels}')


class ConvolutionOperator(Operator):
    """A convolution with the layers that have joined it.

    dtype: of torch's arithmetic where ReLU follows. Scores stay in float32, and so does what
    kernels of ours compute: they outrun bfloat16.
    """

    def __init__(self, operation: Operation, kernels: bool = True,
                 dtype: torch.dtype | None = None, fixed: bool = False) -> None:
        super().__init__(operation, kernels)
        narrow = dtype if dtype is None or operation.relu else torch.float32
        self.convolution = ChosenConvolution(Task(
            self.layer, operation.relu, operation.pool is not None, narrow, kernels, fixed,
            tuple(operation.affine)))
        self.writes = self.convolution.writes

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        self.check_channels(bottoms[0])
        return self.convolution.forward(bottoms[0], work.pads, *bottoms[1:])

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        self.check_channels(bottoms[0])
        self.convolution.write(bottoms[0], work.pads, out, *bottoms[1:])

    def blank(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        self.check_channels(bottoms[0])
        return self.convolution.blank(*bottoms)

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        if self.operation.relu:
            gradient = ATEN.threshold_backward(gradient, saved.top, 0)
        asked = self.layer.param_propagate_down
        bottom, *found = self.convolution.gradients(gradient, saved.bottoms[0], [down, *asked],
                                                    saved.work.pads)
        teach(self.layer, found, learn)
        return [bottom]

    def traced_blank(self, work: Work, bottoms: Tensors, leaf: Leaf) -> torch.Tensor:
        self.check_channels(bottoms[0])
        layer, w = self.layer, self.layer.window
        bias = leaf(layer.blobs[1]) if len(layer.blobs) > 1 else None
        y = F.conv2d(bottoms[0], leaf(layer.blobs[0]), bias, w.stride, 0, w.dilation, layer.group)
        return y.relu() if self.operation.relu else y


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

    @staticmethod
    def _divide(work: Work, sums: torch.Tensor) -> torch.Tensor:
        """Divide each output by the places of its window, which the whole bottom's ends tell."""
        for dim, rule, size, s in zip((-2, -1), work.windows, work.sizes, work.outputs,
                                      strict=True):
            whole = Axis(dim, size, rule.extent, rule.stride, rule.pad, rule.out)
            divisor = whole.divisor(sums)
            sums /= divisor if isinstance(divisor, int) else whole.cut(divisor, slice(*s))
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

    def traced_blank(self, work: Work, bottoms: Tensors, leaf: Leaf) -> torch.Tensor:
        (x,), rules = bottoms, work.windows
        if self.layer.method != PoolingParameter.MAX or any(r.pad for r in rules):
            raise Unsuited(f'layer {self.operation.name!r}: blank values through this pooling')
        rows, columns = (max(0, (s.size - 1) * r.stride + r.extent - n)
                         for r, s, n in zip(rules, work.outputs, x.shape[2:], strict=True))
        x = F.pad(x, (0, columns, 0, rows), value=torch.finfo(x.dtype).min)
        return F.max_pool2d(x, [r.extent for r in rules], [r.stride for r in rules])


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

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        return self._run([x.float() for x in bottoms])[0].to(bottoms[0].dtype)

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        return self._run([x.contiguous() for x in bottoms])    # random numbers in Caffe's order

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        if self.operation.relu:
            gradient = ATEN.threshold_backward(gradient, saved.top, 0)
        for layer, run in zip(reversed(self.operation.layers), reversed(saved.own), strict=True):
            run.top.diff = gradient.contiguous()
            run.layer.blobs = [_with_own_diff(blob) for blob in layer.blobs]
            run.layer.backward([run.top], [True] * len(run.bottoms), run.bottoms)
            teach(layer, [blob.diff for blob in run.layer.blobs], learn, run.bottoms[0])
            gradient = run.bottoms[0].diff
        return [blob.diff for blob in saved.own[0].bottoms]

    def traced_blank(self, work: Work, bottoms: Tensors, leaf: Leaf) -> torch.Tensor:
        layer, p = self.layer, self.layer.param
        if layer.type == 'ReLU':
            return F.leaky_relu(bottoms[0], layer.slope)
        if layer.type == 'LRN':
            n = p.lrn_param
            return F.local_response_norm(bottoms[0], n.local_size, n.alpha, n.beta, n.k)
        if layer.type == 'Concat':
            return torch.cat(bottoms, 1)
        if layer.type == 'Eltwise' and p.eltwise_param.operation == EltwiseParameter.SUM:
            return reduce(torch.add, [c * x for c, x in zip(layer.coeff, bottoms, strict=True)])
        if layer.type == 'Scale':
            scale, *bias = (leaf(blob).view(-1, 1, 1) for blob in layer.blobs)
            return bottoms[0] * scale + (bias[0] if bias else 0)
        raise Unsuited(f'layer {self.operation.name!r}: blank values through {layer.type}')


def _with_own_diff(blob: Blob) -> Blob:
    """Return a parameter with the same data, whose diff takes the gradient of one pass."""
    mine = Blob(blob.name, blob.shape, blob.dtype, blob.device)
    mine.share_data(blob)
    return mine


def teach(layer: Any, gradients: Sequence[torch.Tensor | None], learn: Learn,
          bottom: Blob | None = None) -> None:
    """Give the gradients of a layer's parameters that are asked for to `learn`.

    bottom: what the layer read, which tells a Scale whether it forgets earlier gradients.
    """
    for i, (blob, wanted, gradient) in enumerate(zip(layer.blobs, layer.param_propagate_down,
                                                     gradients, strict=False)):
        if wanted and gradient is not None:
            if layer.type == 'Scale' and i == 0 and layer.overwrites(bottom, blob):
                blob.drop_diff()
            learn(blob, gradient)


class InterpOperator(PointOperator):
    """A layer that reads all of its bottom, of whose top a part is asked for."""

    @staticmethod
    def _part(work: Work) -> tuple[Any, ...]:
        return (..., *(slice(*outputs) for outputs in work.outputs))

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        return super().forward(work, bottoms)[self._part(work)]

    def train(self, work: Work, bottoms: Tensors) -> tuple[torch.Tensor, Any]:
        y, own = super().train(work, bottoms)
        return y[self._part(work)], own

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        whole = gradient.new_zeros(saved.own[0].top.shape)
        whole[self._part(saved.work)] = gradient
        return super().backward(saved, whole, down, learn)
