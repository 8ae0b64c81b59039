"""Runs a plan: each operation on what it reads, into memory whose margins hold blank values.

Inference (inference.py) runs it again and again for images of one size; a training pass
(training_pass.py) runs it once, keeping what its way back needs.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from math import prod

import torch

from port.fast.concatenation import ConcatOperator
from port.fast.convolutions.choice import ChosenConvolution
from port.fast.kernels.planes import LAST
from port.fast.normalisation import BatchNormOperator
from port.fast.operators import (
    ConvolutionOperator,
    InterpOperator,
    Operator,
    PointOperator,
    PoolingOperator,
)
from port.fast.put_back import MaximaOperator, UnpoolingOperator
from port.fast.reach.blank_values import Blanks, spread
from port.fast.reach.geometry import AxisPart, Interval
from port.fast.reach.operations import Operation, Program, halves
from port.fast.reach.plan import PlacedOperation, ReachPlan
from port.fast.upsampling import Upsampling
from port.native.kept_memory import KeptMemory, empty
from port.native.large_pages import in_large_pages

Values = dict[int, torch.Tensor]
Operators = dict[int, Operator]
BY_KIND: dict[str, type[Operator]] = {
    'Deconvolution': Upsampling, 'Crop': Operator, 'Interp': InterpOperator,
    'Concat': ConcatOperator}                               # any other: PointOperator


def make_operators(program: Program, dtype: torch.dtype | None = None, kernels: bool = True,
                   fixed: bool = False) -> Operators:
    """Return the operator of each value that a program writes; as for ConvolutionOperator."""
    known: dict[tuple, ChosenConvolution] = {}
    uses = Counter(operation.same_weights for operation in program.operations
                   if operation.kind == 'Convolution')

    def make(operation: Operation) -> Operator:
        if operation.kind != 'Convolution':
            return _operator(operation)(operation, kernels)
        same = operation.same_weights
        made = ConvolutionOperator(operation, kernels, dtype, fixed, uses[same])
        made.convolution = known.setdefault(same, made.convolution)
        return made
    return {operation.output: make(operation) for operation in program.operations}


def _operator(operation: Operation) -> type[Operator]:
    kind, layer = operation.kind, operation.layer
    if kind == 'Whole' and layer.type == 'BatchNorm':
        return BatchNormOperator
    if operation.undoes is not None:
        return UnpoolingOperator
    if kind == 'Pooling':
        return (MaximaOperator if operation.places is not None or halves(layer) else
                PoolingOperator)
    return BY_KIND.get(layer.type if kind == 'Point' else kind, PointOperator)


def cut(x: torch.Tensor, axes: Sequence[AxisPart], part: Sequence[Interval]) -> torch.Tensor:
    """Return a part of a value, clipped to the blob, from x, which has what is wanted of it."""
    for dim, axis, interval in zip((2, 3), axes, part, strict=True):
        inside = interval.clip(axis.size)
        if inside != axis.wanted:
            x = x.narrow(dim, inside.first - axis.wanted.first, inside.size)
    return x


class Execution:
    """A plan with what it needs to be run. memory: of values, that the first run finds and later
    ones use again, with margins filled once; None where every run makes its own. wanted: the values
    that are kept to the end; None for all.

    A value without margins takes the memory of one that nobody reads any more. To use memory again
    saves more than room: the system fills new memory with zeros, which can take as long as a layer.
    """

    def __init__(self, plan: ReachPlan, operators: Operators, blanks: Blanks,
                 memory: Values | None = None, wanted: Collection[int] | None = None) -> None:
        self.plan, self.operators, self.blanks, self.memory = plan, operators, blanks, memory
        self.wanted = wanted
        self.filled = {placed.value for placed in plan.operations if placed.margins}
        self.free: list[torch.Tensor] = []        # memory of values that are no longer read
        self.for_results = KeptMemory()

    def run(self, inputs: Values) -> Values:
        """Run every operation; return the values. What they hold may be the next run's memory."""
        values = {v: x.contiguous(memory_format=LAST) for v, x in inputs.items()}
        last = self.plan.last_reader
        for placed in self.plan.operations:
            self._sum_in_place(placed, values)
            values.update(self._compute(placed, self.bottoms(placed, values)))
            if self.wanted is not None:
                done = [v for v in {*placed.operation.inputs} if last[v] is placed]
                self._let_go(values, [v for v in done if v not in self.wanted])
        self.free.clear()                         # every value has its memory now
        return values

    def results(self, inputs: Values, wanted: Sequence[int]) -> list[torch.Tensor]:
        """Run every operation; return the wanted values as float32, each in memory of its own,
        which the next run leaves alone.
        """
        values = self.run(inputs)
        taken = {x.untyped_storage().data_ptr()
                 for x in (*inputs.values(), *(self.memory or {}).values())}
        found = []
        for value in wanted:
            y = values[value].float().contiguous()
            if y.untyped_storage().data_ptr() in taken:
                with self.for_results.serve():
                    y = empty(*y.shape).copy_(y)
            found.append(y)
            taken.add(y.untyped_storage().data_ptr())
        return found

    def _let_go(self, values: Values, done: list[int]) -> None:
        """Forget values; their memory is free if no other value lies in it, as a Crop's does."""
        for value in done:
            mine = self._own_memory(values, value)
            del values[value]
            if mine is not None:
                self.free.append(mine)

    def _own_memory(self, values: Values, value: int) -> torch.Tensor | None:
        """Return the memory that a value alone lies in, without margins; None if there is none."""
        if self.memory is None or value not in self.memory or value in self.filled:
            return None
        place = values[value].untyped_storage().data_ptr()
        alone = all(x.untyped_storage().data_ptr() != place
                    for other, x in values.items() if other != value)
        return self.memory[value] if alone else None

    def _sum_in_place(self, placed: PlacedOperation, values: Values) -> None:
        """Have an operation write its sum over the value that it adds, if nobody reads that later:
        what was just read is written without being fetched once more.
        """
        operation, added, memory = placed.operation, placed.operation.inputs[-1], self.memory
        if (memory is None or placed.value in memory or not operation.adds
                or not self.operators[placed.value].sums_in_place or placed.margins
                or self.plan.last_reader[added] is not placed or added in (self.wanted or ())):
            return
        mine = self._own_memory(values, added)
        if mine is not None and mine.shape[1:] == (operation.layer.num_output, *(
                part.size for part in placed.wanted)):
            memory[placed.value] = mine

    def bottoms(self, placed: PlacedOperation, values: Values) -> list[torch.Tensor]:
        """Return what an operation reads of each of its bottoms."""
        return [cut(values[v], self.plan.axes[v], placed.work.reads_of(i))
                for i, v in enumerate(placed.operation.inputs)]

    def _compute(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> Values:
        """Return all that is wanted of the values that an operation writes."""
        operator = self.operators[placed.value]
        if operator.writes:
            whole = self._room(placed, bottoms[0], operator.channels(bottoms), torch.float32)
            operator.write(placed.work, bottoms, cut(whole, placed.axes, placed.computed))
            return {placed.value: whole}
        found = dict(zip(placed.operation.values, self._apply(placed, bottoms), strict=True))
        if placed.margins:
            y = found[placed.value]
            whole = found[placed.value] = self._room(placed, y, y.shape[1], y.dtype)
            cut(whole, placed.axes, placed.computed).copy_(y)
        return found

    def _apply(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> list[torch.Tensor]:
        operator = self.operators[placed.value]
        if placed.operation.places is None:
            return [operator.forward(placed.work, bottoms)]
        return [*operator.train(placed.work, bottoms)]      # which finds the places as well

    def _room(self, placed: PlacedOperation, like: torch.Tensor, channels: int,
              dtype: torch.dtype) -> torch.Tensor:
        """Return memory for what is wanted of a value, its margins filled with blank values.

        like: a tensor of the same batch and device.
        """
        if self.memory is not None and placed.value in self.memory:
            return self.memory[placed.value]
        shape = like.shape[0], channels, *(part.size for part in placed.wanted)
        whole = self._taken(shape, dtype, like.device, used=placed.value not in self.filled)
        for part in placed.margins:
            cut(whole, placed.axes, part).copy_(self._blank(placed, part))
        if self.memory is not None:
            self.memory[placed.value] = whole
        return whole

    def _taken(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device,
               used: bool) -> torch.Tensor:
        """Return memory that is free, the smallest that will do, or else new; always new for what
        margins stay in: another value would write over them in the next run.
        """
        fits = [x for x in self.free if used and x.numel() >= prod(shape) and x.dtype == dtype]
        if not fits:
            if self.memory is None:
                return empty(*shape, dtype=dtype, device=device, memory_format=LAST)
            return in_large_pages(torch.empty(shape, dtype=dtype, device=device,
                                              memory_format=LAST))
        best = min(fits, key=torch.numel)
        self.free = [x for x in self.free if x is not best]
        n, c, h, w = shape
        return best.as_strided(shape, (c * h * w, 1, w * c, c), 0)

    def _blank(self, placed: PlacedOperation, part: list[Interval]) -> torch.Tensor:
        return spread(self.blanks[placed.value], [axis.reach for axis in placed.axes], *part)
