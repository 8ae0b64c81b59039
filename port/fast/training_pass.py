"""One pass of fast training: values forward, gradients back.

The blank values depend on the weights, so they are computed anew in each pass, at the few
positions that differ, as a graph of torch's autograd with the parameters as its leaves. What is
computed is run by operators, forward and backward. Where a margin was filled with blank values,
its gradient is kept; all those together are sent through the blanks' graph to the parameters
when the way back through the operations is done.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from port.engine.blob import Blob
from port.engine.net import Net
from port.engine.params import Learnable
from port.engine.wiring import Node, located
from port.fast.execution import Execution, Operators, Values, cut
from port.fast.kernels.planes import LAST
from port.fast.operators import Learn, Saved
from port.fast.reach.blank_values import Blanks, blank_values
from port.fast.reach.geometry import Interval
from port.fast.reach.operations import Program
from port.fast.reach.plan import PlacedOperation, ReachPlan

Early = Callable[[Learnable], None]
Strip = tuple[list[Interval], torch.Tensor]     # a part of a margin, and what filled it


@dataclass
class TrainedNet:
    """What all passes of a net share. live: the values that a learnable parameter lies below.
    scores: the blob of each loss's scores, before automatic Splits.
    """

    net: Net
    program: Program
    operators: Operators
    losses: list[Node]
    live: set[int]
    scores: list[Blob]


class TrainingPass(Execution):
    """One pass. learn: takes each part of a parameter's gradient."""

    def __init__(self, trained: TrainedNet, plan: ReachPlan, learn: Learn = Blob.add_diff) -> None:
        super().__init__(plan, trained.operators, {})
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
            inputs[value] = data.contiguous(memory_format=LAST) if data.ndim == 4 else data
        self.values = self.run(inputs)
        return self._losses()

    def _apply(self, placed: PlacedOperation, bottoms: list[torch.Tensor]) -> torch.Tensor:
        y, self.saved[placed.value] = self.operators[placed.value].train(placed.work, bottoms)
        return y

    def _losses(self) -> torch.Tensor | float:
        loss: torch.Tensor | float = 0.0
        outputs = self.trained.program.outputs
        for node, scores in zip(self.trained.losses, self.trained.scores, strict=True):
            node.bottom[0].data = self.values[outputs[node.bottom[0].name]].contiguous()
            scores.data = node.bottom[0].data
            with located(node.entry):
                loss = loss + Net.forward_layer(node)
        return loss

    # -- backward --------------------------------------------------------------------------------

    def backward(self, early: Early | None) -> None:
        """Add to the parameters' gradients. early: called with each learnable parameter whose
        gradient is complete and that this pass no longer reads.
        """
        for node in self.trained.losses:
            self._loss_gradient(node)
        late = self._read_by_blanks()
        for placed in reversed(self.plan.operations):
            gradient, y = self.gradients.pop(placed.value, None), self.values.pop(placed.value)
            if gradient is not None:
                self._operation_back(placed, gradient, y)
                for blob in placed.operation.layer.blobs:
                    if id(blob) not in late:
                        self._complete(blob, early)
            self.saved.pop(placed.value, None)
        self._blanks_back()
        for blob in late.values():
            self._complete(blob, early)

    def _read_by_blanks(self) -> dict[int, Blob]:
        """Return the parameters that the blanks' graph reads until the end of the pass, by id."""
        return {id(blob): blob for placed in self.plan.operations
                if placed.value in self.plan.need_blanks for blob in placed.operation.layer.blobs}

    def _loss_gradient(self, node: Node) -> None:
        if not node.need_backward:
            return
        with located(node.entry):
            node.layer.backward(node.top, node.propagate_down, node.bottom)
        value = self.trained.program.outputs[node.bottom[0].name]
        self._add(value, [axis.wanted for axis in self.plan.axes[value]], node.bottom[0].diff)
        node.bottom[0].drop_diff()

    def _operation_back(self, placed: PlacedOperation, gradient: torch.Tensor,
                        y: torch.Tensor) -> None:
        for part, strip in self.strips.pop(placed.value, ()):
            own = cut(gradient, placed.axes, part)
            self.margin_gradients.append((strip, own.sum(0, keepdim=True) if len(own) > 1
                                          else own.clone()))
        gradient, y = (cut(t, placed.axes, placed.computed) for t in (gradient, y))
        saved = Saved(placed.work, self.bottoms(placed, self.values), y,
                      self.saved.get(placed.value))
        down = not self.trained.live.isdisjoint(placed.operation.inputs)
        found = self.operators[placed.value].backward(saved, gradient, down, self.learn)
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
                   for other in operation.layer.blobs)
        if early is not None and rows and uses == 1:
            early(rows[0])

    def _blanks_back(self) -> None:
        """Send the margins' gradients through the blanks' graph to the parameters."""
        if not self.margin_gradients:
            return
        tensors, gradients = zip(*self.margin_gradients, strict=True)
        with torch.enable_grad():
            torch.autograd.backward(tensors, gradients, inputs=list(self.leaves.values()))
        for placed in self.plan.operations:
            layer = placed.operation.layer
            for blob, wanted in zip(layer.blobs, layer.param_propagate_down, strict=True):
                leaf = self.leaves.pop(id(blob), None)
                if leaf is not None and leaf.grad is not None and wanted:
                    self.learn(blob, leaf.grad)
