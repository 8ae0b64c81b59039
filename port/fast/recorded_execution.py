"""Runs a plan again and again on a CPU: what the first run did is noted and done again.

A net of many small layers takes longer to find out what to compute than to compute it. Values lie
in the same memory in each run, so a kernel is called with the same arguments each time. Kernels
that follow one another are run by one call (jobs.py); operations that torch computes stay calls of
their own, between them.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import torch

from port.fast.execution import Execution, Values, cut
from port.fast.kernels.reorder import Reorder
from port.fast.operators import Operator
from port.fast.reach.plan import PlacedOperation
from port.native.jobs import Job, Jobs, Notes
from port.native.kept_memory import empty
from port.native.large_pages import in_large_pages


class RecordedExecution(Execution):
    """An Execution whose first run is noted; later ones repeat it on other inputs."""

    inputs: Values
    outputs: Values
    steps: list[Callable[[], object]] | None = None
    whole: 'WholeRun | None' = None

    def results(self, inputs: Values, wanted: Sequence[int]) -> list[torch.Tensor]:
        """As for Execution: from the second time on, where kernels of ours compute, with copying
        inputs and results among their jobs.
        """
        if self.whole is not None:
            with self.for_results.serve():
                return self.whole(inputs)
        first = self.steps is None
        found = super().results(inputs, wanted)
        tensors = [*self.inputs.values(), *(self.outputs[v] for v in wanted)]
        if (first and any(isinstance(note, Job) for note in self._notes)
                and all(x.ndim == 4 and x.dtype == torch.float32 for x in tensors)):
            self.whole = WholeRun(self._notes, self.inputs, [self.outputs[v] for v in wanted])
        return found

    def run(self, inputs: Values) -> Values:
        """Run every operation; return the values. What they hold may be the next run's memory."""
        if self.steps is None:
            self._notes: list[Job | Callable[[], object]] = []
            self.inputs = {v: x.clone(memory_format=torch.channels_last) if x.ndim == 4 else
                           x.clone() for v, x in inputs.items()}
            self.outputs = super().run(self.inputs)
            self.steps = _joined(self._notes)
        else:
            for value, x in inputs.items():
                self.inputs[value].copy_(x)
            for step in self.steps:
                step()
        return self.outputs

    def _compute(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> Values:
        operator = self.operators[placed.value]
        if type(operator) is Operator and not placed.margins:    # its top is a part of its bottom
            return super()._compute(placed, bottoms)
        if placed.operation.places is not None:
            return self._compute_several(placed, bottoms)
        notes, whole = Notes(), self._memory_for(placed, bottoms)
        out = cut(whole, placed.axes, placed.computed)
        with notes.on():
            operator.write(placed.work, bottoms, out)
        if notes.complete:
            self._notes.extend(notes.jobs)
        else:
            self._notes.append(partial(operator.write, placed.work, bottoms, out))
        return {placed.value: whole}

    def _memory_for(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> torch.Tensor:
        """Return memory for what an operation writes, its margins filled."""
        operator = self.operators[placed.value]
        channels = operator.channels(bottoms)
        if not operator.any_order or placed.margins or placed.value in self._read:
            return self._room(placed, bottoms[0], channels, torch.float32)
        assert self.memory is not None
        planes = torch.empty(len(bottoms[0]), channels, *(part.size for part in placed.wanted))
        return self.memory.setdefault(placed.value, in_large_pages(planes))

    @cached_property
    def _read(self) -> set[int]:
        """The values that an operation computes from, if only a part of them."""
        found: set[int] = set()
        for placed in reversed(self.plan.operations):
            if type(self.operators[placed.value]) is not Operator or placed.value in found:
                found.update(placed.operation.inputs)
        return found

    def _compute_several(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> Values:
        """Compute an operation that writes two values, without margins; where they lie stays."""
        found = self._apply(placed, bottoms)

        def again() -> None:
            for memory, y in zip(found, self._apply(placed, bottoms), strict=True):
                memory.copy_(y)
        self._notes.append(again)
        return dict(zip(placed.operation.values, found, strict=True))


class WholeRun:
    """What was noted, from inputs in anybody's memory to results in memory of their own."""

    def __init__(self, notes: list[Job | Callable[[], object]], inputs: Values,
                 values: list[torch.Tensor]) -> None:
        self.taken = {value: Reorder(x.contiguous(), x) for value, x in inputs.items()}
        self.given = [Reorder(y, y.contiguous()) for y in values]
        self.shapes = [y.shape for y in values]
        self.steps = _joined([*(copy.job for copy in self.taken.values()), *notes,
                              *(copy.job for copy in self.given)])

    def __call__(self, inputs: Values) -> list[torch.Tensor]:
        arrays = {value: x.contiguous() for value, x in inputs.items()}
        found = [empty(*shape) for shape in self.shapes]
        for value, x in arrays.items():
            self.taken[value].read(x)
        for copy, y in zip(self.given, found, strict=True):
            copy.write(y)
        for step in self.steps:
            step()
        return found


def _joined(notes: list[Job | Callable[[], object]]) -> list[Callable[[], object]]:
    """Have jobs that follow one another be run by one call."""
    steps: list[Callable[[], object]] = []
    jobs: list[Job] = []
    for note in [*notes, None]:
        if isinstance(note, Job):
            jobs.append(note)
            continue
        if jobs:
            steps.append(Jobs(jobs).run)
            jobs = []
        if note is not None:
            steps.append(note)
    return steps
