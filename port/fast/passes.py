"""One pass of fast training: values forward, gradients back, blank values by torch's autograd."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F

from netspec.schema.messages import EltwiseParameter, PoolingParameter
from port.engine.blob import Blob
from port.engine.net import Net
from port.engine.params import Learnable
from port.engine.wiring import Node, located
from port.fast import arithmetic
from port.fast.backward import Convolving, Learn, Pointwise, Pooled
from port.fast.blank import Blanks, blanks, needed, spread, strips
from port.fast.engine import cut, room
from port.fast.geometry import Place, Span
from port.fast.plan import Plan, Step
from port.fast.program import Op, Program, Unsuited

LAST = torch.channels_last
Early = Callable[[Learnable], None]


@dataclass
class Parts:
    """What all passes of a net share. live: the values that a learnable parameter lies below.
    scores: the blob of each loss's scores, before automatic Splits.
    """

    net: Net
    program: Program
    losses: list[Node]
    live: set[int]
    scores: list[Blob]
    upsamplings: dict[int, tuple[tuple, arithmetic.Upsampling]] = field(default_factory=dict)

    def upsampling(self, op: Op) -> arithmetic.Upsampling:
        """Return an upsampling. On a GPU, where that waits for the device, the weights are looked
        at only when they changed; on a CPU they can change unseen, through numpy.
        """
        weight = op.layer.blobs[0].data
        if weight.device.type == 'cpu':
            return arithmetic.Upsampling(op.layer)
        seen = weight.data_ptr(), weight._version
        if self.upsamplings.get(op.output, (None,))[0] != seen:
            self.upsamplings[op.output] = seen, arithmetic.Upsampling(op.layer)
        return self.upsamplings[op.output][1]


class Pass:
    """One pass: values and gradients by number, the blanks as a graph of autograd's.

    learn: takes each part of a parameter's gradient.
    """

    def __init__(self, parts: Parts, planned: Plan, learn: Learn = Blob.add_diff) -> None:
        self.parts, self.net, self.plan, self.learn = parts, parts.net, planned, learn
        self.program, self.live = parts.program, parts.live
        self.places: dict[int, list[Place]] = dict(planned.inputs)
        self.places.update((s.op.output, s.places) for s in planned.steps)
        self.values: dict[int, torch.Tensor] = {}
        self.gradients: dict[int, torch.Tensor] = {}
        self.tape: dict[int, object] = {}
        self.leaves: dict[int, torch.Tensor] = {}
        self.strips: list[tuple[torch.Tensor, torch.Tensor]] = []   # blank strips, their gradients
        self.margins: dict[int, list[tuple[list[Span], torch.Tensor]]] = {}

    # -- blanks ----------------------------------------------------------------------------------

    def leaf(self, blob) -> torch.Tensor:
        """Return a parameter as a leaf of the blanks' graph, over the same memory."""
        if id(blob) not in self.leaves:
            self.leaves[id(blob)] = blob.data.detach().requires_grad_()
        return self.leaves[id(blob)]

    def _blank(self, step: Step, bottoms: list[torch.Tensor], inner: list[Span]) -> torch.Tensor:
        layer, x = step.op.layer, bottoms[0]
        arithmetic.check_channels(step.op, x)
        if step.op.kind == 'Convolution':
            bias = self.leaf(layer.blobs[1]) if len(layer.blobs) > 1 else None
            y = arithmetic.convolve(layer, x, self.leaf(layer.blobs[0]), bias, arithmetic.NONE)
            return y.relu() if step.op.relu else y
        if step.op.kind == 'Pooling':
            return pool_blank(step, x, inner)
        if step.op.kind == 'Crop':
            return x
        return point_blank(step.op, bottoms)

    def _blanks(self) -> Blanks:
        if not needed(self.plan):
            return {}
        inputs = {v: self.net.all_blobs[name] for name, v in self.program.inputs.items()
                  if v in self.places}
        with torch.enable_grad():
            like = next(iter(inputs.values())).data
            return blanks(self.plan, {v: b.shape[1] for v, b in inputs.items()}, self._blank, like)

    # -- forward ---------------------------------------------------------------------------------

    def forward(self) -> torch.Tensor | float:
        found = self._blanks()
        for name, value in self.program.inputs.items():
            data = self.net.all_blobs[name].data
            self.values[value] = data.contiguous(memory_format=LAST) if data.ndim == 4 else data
        for step in self.plan.steps:
            self.values[step.op.output] = self._step(step, found)
        return self._losses()

    def _step(self, step: Step, found: Blanks) -> torch.Tensor:
        op, value = step.op, step.op.output
        bottoms = [cut(self.values[v], self.places[v], step.reads) for v in op.inputs]
        spans = [[p.computed for p in step.places], [p.wanted for p in step.places]]
        computed, wanted = spans
        batch = bottoms[0].shape[0]
        arithmetic.check_channels(op, bottoms[0])
        record, y = self._compute(step, bottoms, batch, computed != wanted)
        self.tape[value] = record
        if computed != wanted:
            self._fill_margins(step, y, found[value])
        return y

    def _compute(self, step: Step, bottoms: list[torch.Tensor], batch: int,
                 margin: bool) -> tuple[object, torch.Tensor]:
        """Return what backward needs, and the value over what is wanted, margins not yet filled."""
        op = step.op
        if op.kind == 'Convolution':
            record = Convolving(step)
            y = record.room(batch)
            record.forward(bottoms[0], cut(y, step.places, [p.computed for p in step.places]))
            return record, y
        if op.kind == 'Pooling':
            record = Pooled(step)
            y = record.forward(bottoms[0])
        elif op.kind == 'Deconvolution':
            record = self.parts.upsampling(op)
            y = record(bottoms[0], step.inner, step.reads)
        elif op.kind == 'Crop':
            record, y = None, bottoms[0]
        else:
            record = Pointwise(op)
            y = record.forward(bottoms)
        if not margin:
            return record, y
        whole = room(y, batch, *(p.wanted.size for p in step.places))
        cut(whole, step.places, [p.computed for p in step.places]).copy_(y)
        return record, whole

    def _fill_margins(self, step: Step, y: torch.Tensor, blank: torch.Tensor) -> None:
        reaches = [p.reach for p in step.places]
        self.margins[step.op.output] = rows = []
        for spans in strips(step.places):
            with torch.enable_grad():
                strip = spread(blank, reaches, range(*spans[0]), range(*spans[1]))
            cut(y, step.places, spans).copy_(strip)
            if strip.requires_grad:
                rows.append((spans, strip))

    def _losses(self) -> torch.Tensor | float:
        loss: torch.Tensor | float = 0.0
        outputs = self.program.outputs
        for node, scores in zip(self.parts.losses, self.parts.scores, strict=True):
            node.bottom[0].data = self.values[outputs[node.bottom[0].name]].contiguous()
            scores.data = node.bottom[0].data
            with located(node.entry):
                loss = loss + self.net.forward_layer(node)
        return loss

    # -- backward --------------------------------------------------------------------------------

    def add(self, value: int, spans: list[Span], gradient: torch.Tensor) -> None:
        """Add the gradient of a part of a value."""
        if value not in self.live:
            return
        spans = [s.clip(p.size) for s, p in zip(spans, self.places[value], strict=True)]
        whole = spans == [p.wanted for p in self.places[value]]
        if value not in self.gradients:
            if whole:
                self.gradients[value] = gradient
                return
            sizes = [p.wanted.size for p in self.places[value]]
            self.gradients[value] = gradient.new_zeros(*gradient.shape[:2], *sizes).contiguous(
                memory_format=LAST)
        cut(self.gradients[value], self.places[value], spans).add_(gradient)

    def backward(self, early: Early | None) -> None:
        for node in self.parts.losses:
            self._loss_gradient(node)
        self.late = self._in_blanks()
        for step in reversed(self.plan.steps):
            value = step.op.output
            gradient, y = self.gradients.pop(value, None), self.values.pop(value)
            if gradient is not None:
                self._step_back(step, gradient, y, early)
            self.tape.pop(value)
        self._blanks_back()
        for blob in self.late.values():
            self._complete(blob, early)

    def _in_blanks(self) -> dict[int, object]:
        """Return the parameters that the blanks' graph still reads."""
        asked = needed(self.plan)
        return {id(b): b for step in self.plan.steps if step.op.output in asked
                for b in step.op.layer.blobs}

    def _loss_gradient(self, node: Node) -> None:
        if not node.need_backward:
            return
        with located(node.entry):
            node.layer.backward(node.top, node.propagate_down, node.bottom)
        value = self.program.outputs[node.bottom[0].name]
        self.add(value, [p.wanted for p in self.places[value]], node.bottom[0].diff)
        node.bottom[0].drop_diff()

    def _step_back(self, step: Step, gradient: torch.Tensor, y: torch.Tensor,
                   early: Early | None) -> None:
        op, record = step.op, self.tape[step.op.output]
        for spans, strip in self.margins.pop(op.output, ()):
            part = cut(gradient, step.places, spans)
            self.strips.append((strip, part.sum(0, keepdim=True) if len(part) > 1
                                else part.clone()))
        computed = [p.computed for p in step.places]
        gradient, y = (cut(t, step.places, computed) for t in (gradient, y))
        bottoms = [cut(self.values[v], self.places[v], step.reads) for v in op.inputs]
        if op.kind == 'Convolution':
            down = record.backward(gradient, y, bottoms[0], op.inputs[0] in self.live, self.learn)
            self._complete_all(op, early)
            downs = [down]
        elif op.kind == 'Deconvolution':
            downs = [record.transposed(gradient, step.inner, step.reads)]
        elif op.kind == 'Crop':
            downs = [gradient]
        else:
            downs = record.backward(gradient, y, bottoms)
        for value, down in zip(op.inputs, downs, strict=True):
            if down is not None:
                self.add(value, step.reads, down)

    def _complete_all(self, op: Op, early: Early | None) -> None:
        for blob in op.layer.blobs:
            if id(blob) not in self.late:
                self._complete(blob, early)

    def _complete(self, blob, early: Early | None) -> None:
        rows = [row for row in self.net.learnable if row.blob is blob]
        if early is not None and rows and self._uses(blob) == 1:
            early(rows[0])

    def _uses(self, blob) -> int:
        return sum(b is blob for op in self.program.ops for b in op.layer.blobs)

    def _blanks_back(self) -> None:
        """Send the strips' gradients through the blanks' graph to the parameters."""
        if not self.strips:
            return
        tensors, gradients = zip(*self.strips, strict=True)
        with torch.enable_grad():
            torch.autograd.backward(tensors, gradients, inputs=list(self.leaves.values()))
        for step in self.plan.steps:
            layer = step.op.layer
            for blob, wanted in zip(layer.blobs, layer.param_propagate_down, strict=True):
                leaf = self.leaves.pop(id(blob), None)
                if leaf is not None and leaf.grad is not None and wanted:
                    self.learn(blob, leaf.grad)


def pool_blank(step: Step, x: torch.Tensor, inner: list[Span]) -> torch.Tensor:
    """Return maxima that autograd can follow."""
    layer, rules = step.op.layer, step.rules
    if layer.method != PoolingParameter.MAX or any(r.pad for r in rules):
        raise Unsuited(f'layer {step.op.name!r}: blank values through this pooling')
    room = [(s.size - 1) * r.stride + r.extent - n
            for r, s, n in zip(rules, inner, x.shape[2:], strict=True)]
    if any(n > 0 for n in room):
        lowest = torch.finfo(x.dtype).min
        x = F.pad(x, (0, max(0, room[1]), 0, max(0, room[0])), value=lowest)
    return F.max_pool2d(x, [r.extent for r in rules], [r.stride for r in rules])


def point_blank(op: Op, bottoms: list[torch.Tensor]) -> torch.Tensor:
    """Return what a pointwise layer makes of blanks, so that autograd can follow."""
    layer, p = op.layer, op.layer.param
    if layer.type == 'ReLU':
        return F.leaky_relu(bottoms[0], layer.slope)
    if layer.type == 'LRN':
        n = p.lrn_param
        return F.local_response_norm(bottoms[0], n.local_size, n.alpha, n.beta, n.k)
    if layer.type == 'Concat':
        return torch.cat(bottoms, 1)
    if layer.type == 'Eltwise' and p.eltwise_param.operation == EltwiseParameter.SUM:
        return sum(c * x for c, x in zip(layer.coeff, bottoms, strict=True))
    if layer.type == 'Scale' and not p.scale_param.bias_term:
        return bottoms[0] * layer.blobs[0].data.view(-1, 1, 1)
    raise Unsuited(f'layer {op.name!r}: blank values through {layer.type}')
