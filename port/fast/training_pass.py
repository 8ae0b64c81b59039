"""One pass of fast training: values forward, gradients back.

The blank values depend on the weights, so they are computed anew in each pass, at the few
positions that differ, as a graph of torch's autograd with the parameters as its leaves. What is
computed is run by operators, forward and backward. Where a margin was filled with blank values,
its gradient is kept; all those together are sent through the blanks' graph to the parameters
when the way back through the operations is done.
"""

from collections.abc import Callable
from typing import Any

import torch

from port.engine.blob import Blob
from port.engine.net import Net
from port.engine.params import Learnable
from port.fast.execution import Execution, Values, cut, make_operators
from port.fast.kernels.planes import LAST, last
from port.fast.known_part import KnownPart
from port.fast.operators import Learn, Saved
from port.fast.reach.blank_values import Blanks, blank_values
from port.fast.reach.geometry import Interval
from port.fast.reach.plan import PlacedOperation, ReachPlan

Early = Callable[[Learnable], None]
Strip = tuple[list[Interval], torch.Tensor]     # a part of a margin, and what filled it


class TrainedNet:
    """What all passes of a net share. live: the values that a learnable parameter lies below."""

    def __init__(self, net: Net) -> None:
        self.net, self.part = net, KnownPart(net, training=True)
        self.program = self.part.program
        self.operators = make_operators(self.program)
        self.live: set[int] = set()
        for op in self.program.operations:
            if any(wanted for _, wanted in op.parameters) or self.live.intersection(op.inputs):
                self.live.add(op.output)


class TrainingPass(Execution):
    """One pass. learn: takes each part of a parameter's gradient; None for no way back."""

    def __init__(self, trained: TrainedNet, plan: ReachPlan,
                 learn: Learn | None = Blob.add_diff) -> None:
        outputs = set(trained.program.outputs.values())
        super().__init__(plan, trained.operators, {}, wanted=None if learn else outputs)
        self.trained, self.learn = trained, learn
        self.values: Values = {}
        self.gradients: Values = {}
        self.saved: dict[int, Any] = {}                   # by value, what operators left
        self.leaves: dict[int, torch.Tensor] = {}            # by the parameter's id
        self.strips: dict[int, list[Strip]] = {}             # by value
        self.margin_gradients: list[tuple[torch.Tensor, torch.Tensor]] = []

    # -- blank values ----------------------------------------------------------------------------

    def leaf(self, blob: Blob) -> torch.Tensor:
        """Return a parameter as a leaf of the blanks' graph, over the same memory."""
        if id(blob) not in self.leaves:
            self.leaves[id(blob)] = blob.data.detach().requires_grad_()
        return self.leaves[id(blob)]

    @torch.enable_grad()
    def _make_blanks(self) -> Blanks:
        inputs = {value: self.trained.net.all_blobs[name]
                  for name, value in self.trained.program.inputs.items()
                  if value in self.plan.inputs}
        like = next(iter(inputs.values())).data
        return blank_values(
            self.plan, {value: blob.shape[1] for value, blob in inputs.items()},
            lambda work, bottoms: self.operators[work.operation.output].traced_blank(
                work, bottoms, self.leaf), like)

    @torch.enable_grad()
    def _blank(self, placed: PlacedOperation, part: list[Interval]) -> torch.Tensor:
        strip = super()._blank(placed, part)
        if strip.requires_grad:
            self.strips.setdefault(placed.value, []).append((part, strip))
        return strip.detach()

    # -- forward ---------------------------------------------------------------------------------

    def forward(self) -> torch.Tensor | float:
        """Run the net and its losses; return the loss."""
        for operator in self.operators.values():
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
        if self.learn is not None:
            self.saved[placed.value] = own
        return [y] if placed.operation.places is None else [y, own]

    # -- backward --------------------------------------------------------------------------------

    def backward(self, early: Early | None) -> None:
        """Add to the parameters' gradients. early: called with each learnable parameter whose
        gradient is complete and that this pass no longer reads.
        """
        assert self.learn is not None, 'a pass for its loss alone has no way back'
        for place in reversed(self.trained.part.rest):
            self._rest_back(place)
        late = self._read_by_blanks()
        for placed in reversed(self.plan.operations):
            gradient, y = self.gradients.pop(placed.value, None), self.values[placed.value]
            for value in placed.operation.values:
                del self.values[value]
            if gradient is not None:
                self._operation_back(placed, gradient, y, self.learn)
                for blob, _ in placed.operation.parameters:
                    if id(blob) not in late:
                        self._complete(blob, early)
            self.saved.pop(placed.value, None)
        self._blanks_back(self.learn)
        for blob in late.values():
            self._complete(blob, early)

    def _rest_back(self, place: int) -> None:
        """Have the plain engine run a layer backward; take the gradients of our values from it."""
        net, node = self.trained.net, self.trained.net.nodes[place]
        net.backward(place, place)
        for i, value in self.trained.part.reads[place].items():
            if node.need_backward and node.propagate_down[i]:
                self._add(value, [axis.wanted for axis in self.plan.axes[value]],
                          node.bottom[i].diff)
                node.bottom[i].drop_diff()

    def _read_by_blanks(self) -> dict[int, Blob]:
        """Return the parameters that the blanks' graph reads until the end of the pass, by id."""
        return {id(blob): blob for placed in self.plan.operations
                if placed.value in self.plan.need_blanks
                for blob, _ in placed.operation.parameters}

    def _operation_back(self, placed: PlacedOperation, gradient: torch.Tensor, y: torch.Tensor,
                        learn: Learn) -> None:
        for part, strip in self.strips.pop(placed.value, ()):
            own = cut(gradient, placed.axes, part)
            self.margin_gradients.append((strip, own.sum(0, keepdim=True) if len(own) > 1
                                          else own.clone()))
        gradient, y = (cut(t, placed.axes, placed.computed) for t in (gradient, y))
        saved = Saved(placed.work, self.bottoms(placed, self.values), y,
                      self.saved.get(placed.value))
        down = not self.trained.live.isdisjoint(placed.operation.inputs)
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
            self.gradients[value] = gradient.new_zeros(*gradient.shape[:2], *sizes).contiguous(
                memory_format=LAST)
        cut(self.gradients[value], axes, part).add_(gradient)

    def _complete(self, blob: Blob, early: Early | None) -> None:
        rows = [row for row in self.trained.net.learnable if row.blob is blob]
        uses = sum(other is blob for operation in self.trained.program.operations
                   for other, _ in operation.parameters)
        if early is not None and rows and uses == 1:
            early(rows[0])

    def _blanks_back(self, learn: Learn) -> None:
        """Send the margins' gradients through the blanks' graph to the parameters."""
        if not self.margin_gradients:
            return
        tensors, gradients = zip(*self.margin_gradients, strict=True)
        with torch.enable_grad():
            torch.autograd.backward(tensors, gradients, inputs=list(self.leaves.values()))
        for placed in self.plan.operations:
            for blob, wanted in placed.operation.parameters:
                leaf = self.leaves.pop(id(blob), None)
                if leaf is not None and leaf.grad is not None and wanted:
                    learn(blob, leaf.grad)
