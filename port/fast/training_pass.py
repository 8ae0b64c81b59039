"""One pass of fast training: values forward, gradients back.

The blank values depend on the weights, so they are computed anew in each pass, at the few
positions that differ, by operators as all else is. The gradient of a margin that was filled with
blank values is added up into theirs, and goes back with its operation's own: to the blanks that
these were computed from, and to the parameters.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch

from port.engine.blob import Blob
from port.engine.net import Net
from port.engine.params import Learnable, Parts
from port.fast.convolutions.algorithms import Product
from port.fast.execution import Execution, Values, cut, make_operators
from port.fast.kernels.planes import LAST, last
from port.fast.known_part import KnownPart
from port.fast.operators import Learn, Saved
from port.fast.reach.blank_values import Blanks, blank_values, gather
from port.fast.reach.geometry import Interval
from port.fast.reach.plan import PlacedOperation, ReachPlan, Work, make_plan
from port.fast.recent import Recent
from port.native.kept_memory import empty

Early = Callable[[Learnable], None]
InParts = Callable[[Learnable, Parts], None]
Give = Callable[[Blob, torch.Tensor], None]
KEPT_PLANS = 32             # sizes of input whose plans are kept


class TrainedNet:
    """What all passes of a net share. small: the operators for blank values, of which there are too
    few for kernels of ours. live: the values that a learnable parameter lies below. uses: how many
    operations read a parameter, by its id. rows: who learns it, if anybody.
    """

    def __init__(self, net: Net) -> None:
        self.net, self.part = net, KnownPart(net, training=True)
        self.program = self.part.program
        self.operators = make_operators(self.program)
        self.small = make_operators(self.program, kernels=False)
        self.uses = Counter(id(blob) for op in self.program.operations for blob, _ in op.parameters)
        self.rows = {id(row.blob): row for row in reversed(net.learnable)}
        self._plans: Recent[ReachPlan] = Recent(KEPT_PLANS)
        self.live: set[int] = set()
        for op in self.program.operations:
            if any(wanted for _, wanted in op.parameters) or self.live.intersection(op.inputs):
                self.live.add(op.output)

    def plan(self) -> ReachPlan:
        """Return the plan for the inputs as they are. Raises Unsuited for a size."""
        sizes = {name: (blob.shape[2], blob.shape[3]) for name in self.program.inputs
                 if len((blob := self.net.all_blobs[name]).shape) == 4}
        return self._plans.get((*sizes.items(),), lambda: make_plan(self.program, sizes))


class TrainingPass(Execution):
    """One pass. give: takes each part of a parameter's gradient; None for no way back."""

    def __init__(self, trained: TrainedNet, plan: ReachPlan,
                 give: Give | None = Blob.add_diff) -> None:
        outputs = set(trained.program.outputs.values())
        super().__init__(plan, trained.operators, {}, wanted=None if give else outputs)
        self.trained, self.give = trained, give
        self.products: dict[Blob, Product] = {}           # gradients, not multiplied out yet
        self.values: Values = {}
        self.gradients: Values = {}
        self.saved: dict[int, Any] = {}                   # by value, what operators left
        self.patches: dict[int, list[Saved]] = {}            # of the blank values, by value
        self.blank_gradients: Values = {}

    # -- blank values ----------------------------------------------------------------------------

    def _make_blanks(self) -> Blanks:
        inputs = {value: self.trained.net.all_blobs[name]
                  for name, value in self.trained.program.inputs.items()
                  if value in self.plan.inputs}

        def patch(work: Work, bottoms: list[torch.Tensor]) -> torch.Tensor:
            value = work.operation.output
            y, own = self.trained.small[value].train(work, bottoms)
            self.patches.setdefault(value, []).append(Saved(work, bottoms, y, own))
            return y
        return blank_values(self.plan, {v: blob.shape[1] for v, blob in inputs.items()}, patch,
                            next(iter(inputs.values())).data)

    def _blanks_back(self, placed: PlacedOperation, learn: Learn) -> None:
        """Send the gradient of an operation's blank values on, patch by patch."""
        gradient = self.blank_gradients.pop(placed.value, None)
        patches = iter(self.patches.pop(placed.value, ()))
        if gradient is None:
            return
        rows, columns = ([run.size for run in axis.reach.runs] for axis in placed.axes)
        down = not self.trained.live.isdisjoint(placed.operation.inputs)
        for band in gradient.split(rows, 2):
            for part in band.split(columns, 3):
                saved = next(patches)
                found = self.trained.small[placed.value].backward(saved, part, down, learn)
                for i, (value, bottom) in enumerate(zip(placed.operation.inputs, found,
                                                        strict=True)):
                    if bottom is not None:
                        self._add_blank(value, saved.work.reads_of(i), bottom)

    def _add_blank(self, value: int, part: list[Interval], gradient: torch.Tensor) -> None:
        """Add the gradient of what was spread from blank values over a part of a value."""
        if value not in self.trained.live:
            return
        found = gather(gradient, self.blanks[value],
                       [axis.reach for axis in self.plan.axes[value]], *part)
        before = self.blank_gradients.get(value)
        self.blank_gradients[value] = found if before is None else before + found

    # -- forward ---------------------------------------------------------------------------------

    def forward(self) -> torch.Tensor | float:
        """Run the net and its losses; return the loss."""
        for operator in (*self.operators.values(), *self.trained.small.values()):
            operator.refresh()
        self.blanks = self._make_blanks() if self.plan.need_blanks else {}
        inputs = {}
        for name, value in self.trained.program.inputs.items():
            data = self.trained.net.all_blobs[name].data
            inputs[value] = last(data) if data.ndim == 4 else data
        self.values = self.run(inputs)
        for value in self.trained.program.outputs.values():
            self.trained.part.show(value, self.values[value])
        return self.trained.part.run(self.trained.part.rest)

    def _apply(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> list[torch.Tensor]:
        y, own = self.operators[placed.value].train(placed.work, bottoms)
        if self.give is not None:
            self.saved[placed.value] = own
        return [y] if placed.operation.places is None else [y, own]

    # -- backward --------------------------------------------------------------------------------

    def backward(self, early: Early | None, in_parts: InParts | None = None) -> None:
        """Add to the parameters' gradients. early: called with each learnable parameter whose
        gradient is complete and that this pass no longer reads. in_parts: called in its place
        where the gradient of a few outputs can be had at a time.
        """
        assert self.give is not None, 'a pass for its loss alone has no way back'
        for place in reversed(self.trained.part.rest):
            self._rest_back(place)
        for placed in reversed(self.plan.operations):
            gradient, y = self.gradients.pop(placed.value, None), self.values[placed.value]
            for value in placed.operation.values:
                del self.values[value]
            if gradient is not None:
                learn = self._keep_product if in_parts is not None else self._learn
                self._operation_back(placed, gradient, y, learn)
                self._blanks_back(placed, self._learn)
                for blob, _ in placed.operation.parameters:
                    self._complete(blob, early, in_parts)
            self.saved.pop(placed.value, None)

    def _rest_back(self, place: int) -> None:
        """Have the plain engine run a layer backward; take the gradients of our values from it."""
        net, node = self.trained.net, self.trained.net.nodes[place]
        net.backward(place, place)
        for i, value in self.trained.part.reads[place].items():
            if node.need_backward and node.propagate_down[i]:
                self._add(value, [axis.wanted for axis in self.plan.axes[value]],
                          node.bottom[i].diff)
                node.bottom[i].drop_diff()

    def _operation_back(self, placed: PlacedOperation, gradient: torch.Tensor, y: torch.Tensor,
                        learn: Learn) -> None:
        for part in placed.margins:
            self._add_blank(placed.value, part, cut(gradient, placed.axes, part).sum(0, True))
        gradient, y = (cut(t, placed.axes, placed.computed) for t in (gradient, y))
        saved = Saved(placed.work, self.bottoms(placed, self.values), y,
                      self.saved.get(placed.value))
        down = not self.trained.live.isdisjoint(placed.operation.inputs)
        self._forget(placed, saved.bottoms[0])
        found = self.operators[placed.value].backward(saved, gradient, down, learn)
        for value, bottom in zip(placed.operation.inputs, found, strict=True):
            if bottom is not None:
                self._add(value, placed.work.reads, bottom)

    def _add(self, value: int, part: list[Interval], gradient: torch.Tensor) -> None:
        """Add the gradient of a part of a value."""
        if value not in self.trained.live:
            return
        axes = self.plan.axes[value]
        part = [interval.clip(axis.size) for interval, axis in zip(part, axes, strict=True)]
        if value not in self.gradients:
            if part == [axis.wanted for axis in axes]:
                self.gradients[value] = gradient
                return
            sizes = [axis.wanted.size for axis in axes]
            self.gradients[value] = empty(*gradient.shape[:2], *sizes, dtype=gradient.dtype,
                                          device=gradient.device, memory_format=LAST).zero_()
        cut(self.gradients[value], axes, part).add_(gradient)

    @staticmethod
    def _forget(placed: PlacedOperation, x: torch.Tensor) -> None:
        """Drop the gradients of earlier passes that Caffe's Scale drops."""
        for layer in placed.operation.layers:
            if layer.type != 'Scale' or not layer.param_propagate_down[0]:
                continue
            if layer.overwrites(Blob('bottom', (*x.shape[:2], *placed.sizes)), layer.blobs[0]):
                layer.blobs[0].drop_diff()

    # -- what is learnt --------------------------------------------------------------------------

    def _learn(self, blob: Blob, part: torch.Tensor | Product) -> None:
        """Take a part of a parameter's gradient."""
        assert self.give is not None
        if blob in self.products:                         # which is not all of it
            self.give(blob, self.products.pop(blob).whole())
        self.give(blob, part.whole() if isinstance(part, Product) else part)

    def _keep_product(self, blob: Blob, part: torch.Tensor | Product) -> None:
        """Take a part of a gradient; do not multiply out the only one of a parameter yet."""
        if isinstance(part, Product) and self.trained.uses[id(blob)] == 1:
            self.products[blob] = part
        else:
            self._learn(blob, part)

    def _complete(self, blob: Blob, early: Early | None, in_parts: InParts | None) -> None:
        row = self.trained.rows.get(id(blob))
        product = self.products.pop(blob, None)
        if product is not None and in_parts is not None and row is not None:
            in_parts(row, product.parts)
        elif early is not None and row is not None and self.trained.uses[id(blob)] == 1:
            early(row)
