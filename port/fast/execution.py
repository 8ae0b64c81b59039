"""Runs a plan: each operation on what it reads, into memory whose margins hold blank values.

Inference (inference.py) runs it again and again for images of one size; a training pass
(training_pass.py) runs it once, keeping what its way back needs.
"""

from collections.abc import Sequence

import torch

from port.fast.concatenation import ConcatOperator
from port.fast.kernels.planes import LAST
from port.fast.operators import ConvolutionOperator, Operator, PointOperator, PoolingOperator
from port.fast.reach.blank_values import Blanks, spread
from port.fast.reach.geometry import AxisPart, Interval
from port.fast.reach.operations import Operation, Program
from port.fast.reach.plan import PlacedOperation, ReachPlan
from port.fast.upsampling import Upsampling

Values = dict[int, torch.Tensor]
Operators = dict[int, Operator]
SIMPLE: dict[str, type[Operator]] = {
    'Deconvolution': Upsampling, 'Pooling': PoolingOperator, 'Crop': Operator,
    'Point': PointOperator, 'Dropout': PointOperator}


def make_operators(program: Program, dtype: torch.dtype | None = None, kernels: bool = True,
                   fixed: bool = False) -> Operators:
    """Return the operator of each value that a program writes; as for ConvolutionOperator."""
    def make(operation: Operation) -> Operator:
        if operation.kind == 'Convolution':
            return ConvolutionOperator(operation, dtype, kernels, fixed)
        if operation.layer.type == 'Concat':
            return ConcatOperator(operation)
        return SIMPLE[operation.kind](operation)
    return {operation.output: make(operation) for operation in program.operations}


def cut(x: torch.Tensor, axes: Sequence[AxisPart], part: Sequence[Interval]) -> torch.Tensor:
    """Return a part of a value, clipped to the blob, from x, which has what is wanted of it."""
    for dim, axis, interval in zip((2, 3), axes, part, strict=True):
        inside = interval.clip(axis.size)
        x = x.narrow(dim, inside.first - axis.wanted.first, inside.size)
    return x


class Execution:
    """A plan with what it needs to be run. memory: of values that were made before and whose
    margins are filled; None where every run makes its own.
    """

    def __init__(self, plan: ReachPlan, operators: Operators, blanks: Blanks,
                 memory: Values | None = None) -> None:
        self.plan, self.operators, self.blanks, self.memory = plan, operators, blanks, memory

    def run(self, inputs: Values) -> Values:
        """Run every operation; return all values. What they hold may be the next run's memory."""
        values = dict(inputs)
        for placed in self.plan.operations:
            values[placed.value] = self._compute(placed, self.bottoms(placed, values))
        return values

    def bottoms(self, placed: PlacedOperation, values: Values) -> list[torch.Tensor]:
        """Return what an operation reads of each of its bottoms."""
        return [cut(values[v], self.plan.axes[v], placed.work.reads)
                for v in placed.operation.inputs]

    def _compute(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> torch.Tensor:
        """Return all that is wanted of an operation's output."""
        operator = self.operators[placed.value]
        if operator.writes:
            whole = self._room(placed, bottoms[0], operator.layer.num_output, torch.float32)
            operator.write(placed.work, bottoms, cut(whole, placed.axes, placed.computed))
            return whole
        y = self._apply(placed, bottoms)
        if not placed.margins:
            return y
        whole = self._room(placed, y, y.shape[1], y.dtype)
        cut(whole, placed.axes, placed.computed).copy_(y)
        return whole

    def _apply(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> torch.Tensor:
        return self.operators[placed.value].forward(placed.work, bottoms)

    def _room(self, placed: PlacedOperation, like: torch.Tensor, channels: int,
              dtype: torch.dtype) -> torch.Tensor:
        """Return memory for what is wanted of a value, its margins filled with blank values.

        like: a tensor of the same batch and device.
        """
        if self.memory is not None and placed.value in self.memory:
            return self.memory[placed.value]
        whole = torch.empty(like.shape[0], channels, *(part.size for part in placed.wanted),
                            dtype=dtype, device=like.device, memory_format=LAST)
        for part in placed.margins:
            cut(whole, placed.axes, part).copy_(self._blank(placed, part))
        if self.memory is not None:
            self.memory[placed.value] = whole
        return whole

    def _blank(self, placed: PlacedOperation, part: list[Interval]) -> torch.Tensor:
        return spread(self.blanks[placed.value], [axis.reach for axis in placed.axes], *part)
