"""A net as a list of operations on values. A value is what a blob holds between one layer that
writes it and the next; each is written once and has a number.

A layer in place reads one value and writes another. Split, and Dropout in testing, write nothing
new. A ReLU is done by the convolution before it, and so are 2 x 2 maxima in testing. What the
wanted outputs do not need is left out.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from netspec.layer_types import LAYER_TYPES
from netspec.schema.messages import EltwiseParameter, LRNParameter, PoolingParameter
from port.engine.layer import Layer
from port.engine.net import Net
from port.engine.wiring import Node
from port.fast.unsuited import Unsuited

WINDOWED = {'Convolution', 'Deconvolution', 'Pooling'}


@dataclass
class Operation:
    """A layer, the values it reads, the value it writes, and the layers after it that it does
    as well: a ReLU, a pooling.
    """

    kind: str                     # the layer's type, or Point for all that is pointwise
    name: str
    layer: Any                    # of a class that `kind` tells
    inputs: list[int]
    output: int
    relu: bool = False
    pool: Layer | None = None     # of kernel 2, stride 2: the output is the maxima


@dataclass
class Program:
    """operations: in running order. inputs, outputs: blob name -> value. like: the value that a
    Crop writes -> the value whose size it takes. joined: layers that the operation of another
    layer does as well.
    """

    operations: list[Operation]
    inputs: dict[str, int]
    outputs: dict[str, int]
    like: dict[int, int]
    joined: list[Layer] = field(default_factory=list)


def testing_program(net: Net, wanted: Sequence[str] | None = None) -> Program:
    """Return the operations that compute the wanted blobs (default: the outputs); Unsuited where
    they are not known here.
    """
    made = _Maker({name for name, row in LAYER_TYPES.items() if row.copies})
    for node in net.nodes:
        made.add(node)
    return _finish(made, {name: made.values[id(net.all_blobs[name])]
                          for name in wanted or net.outputs}, pools=True)


def training_program(net: Net, losses: list[Node]) -> Program:
    """Return the operations that compute the first bottom of each loss. Poolings stay operations
    of their own, as their backward pass needs what they read, and Dropout is one.
    """
    made = _Maker({'Split'})
    for node in net.nodes:
        if node in losses:
            continue
        late = [blob.name for blob in node.bottom if id(blob) not in made.values]
        if late:
            raise Unsuited(f'layer {node.name!r}: reads {late[0]!r}, which a loss makes')
        made.add(node)
    for node in losses:
        if id(node.bottom[0]) not in made.values:
            raise Unsuited(f'layer {node.name!r}: takes its scores from a loss')
    return _finish(made, {node.bottom[0].name: made.values[id(node.bottom[0])]
                          for node in losses}, pools=False)


def _finish(made: '_Maker', outputs: dict[str, int], pools: bool) -> Program:
    found = Program(made.operations, made.inputs, outputs, made.like)
    _prune(found)
    for op in found.operations:
        check(op)
    _join(found, pools)
    return found


class _Maker:
    """Turns nodes into operations. values: the number of the value that a blob holds, by the
    blob's id, as far as the net has been read. same: types whose tops are their bottom's value.
    """

    def __init__(self, same: set[str]) -> None:
        self.same = same
        self.values: dict[int, int] = {}
        self.operations: list[Operation] = []
        self.inputs: dict[str, int] = {}
        self.like: dict[int, int] = {}
        self.count = 0

    def new(self) -> int:
        """Return the number of a new value."""
        self.count += 1
        return self.count - 1

    def add(self, node: Node) -> None:
        """Add the next layer of the net."""
        kind, values = node.layer.type, self.values
        if not node.bottom:
            for blob in node.top:
                values[id(blob)] = self.inputs[blob.name] = self.new()
            return
        inputs = [values[id(b)] for b in node.bottom]
        if kind in self.same:
            values.update((id(b), inputs[0]) for b in node.top)
            return
        made = self.new()
        values.update((id(b), made if i == 0 else self.new()) for i, b in enumerate(node.top))
        if kind == 'Crop':
            self.like[made] = inputs.pop()
        row = node.layer.facts
        simple = 'Point' if row.pointwise and not row.copies else kind
        if len(node.top) != 1:
            simple = f'{kind} with {len(node.top)} tops'
        self.operations.append(Operation(simple, node.name, node.layer, inputs, made))


def _prune(found: Program) -> None:
    """Keep the operations and inputs that the outputs and the sizes of crops come from."""
    needed, kept = set(found.outputs.values()), []
    for op in reversed(found.operations):
        if op.output in needed:
            kept.append(op)
            needed.update(op.inputs)
            needed.update([found.like[op.output]] if op.output in found.like else [])
    found.operations = kept[::-1]
    found.inputs = {name: value for name, value in found.inputs.items() if value in needed}


def check(op: Operation) -> None:
    """Raise Unsuited unless the operation's arithmetic is known here."""
    layer, p = op.layer, op.layer.param
    if op.kind not in (*WINDOWED, 'Crop', 'Dropout', 'Point'):
        raise Unsuited(f'layer {op.name!r}: {op.kind} is not known to the fast path')
    if op.kind in WINDOWED and len(op.inputs) != 1:
        raise Unsuited(f'layer {op.name!r}: {op.kind} of {len(op.inputs)} bottoms')
    if op.kind in ('Convolution', 'Deconvolution') and (
            layer.channel_axis != 1 or layer.spatial_axes != 2):
        raise Unsuited(f'layer {op.name!r}: not over rows and columns')
    if op.kind == 'Pooling' and (layer.kernel is None
                                 or layer.method == PoolingParameter.STOCHASTIC):
        raise Unsuited(f'layer {op.name!r}: pooling over the whole image or at random')
    reason = {'LRN': p.lrn_param.norm_region == LRNParameter.WITHIN_CHANNEL,
              'Concat': getattr(layer, 'at', 1) != 1,
              'Softmax': p.softmax_param.axis != 1,
              'Scale': len(op.inputs) != 1 or p.scale_param.axis != 1
              or p.scale_param.num_axes not in (0, 1),
              'Bias': len(op.inputs) != 1 or p.bias_param.axis != 1
              or p.bias_param.num_axes not in (0, 1),
              'Eltwise': p.bottom[:1] == p.top[:1]
              and p.eltwise_param.operation != EltwiseParameter.PROD,
              'BatchNorm': not getattr(layer, 'stored', False)}
    if reason.get(layer.type):
        raise Unsuited(f'layer {op.name!r}: {layer.type} here is not position by position')
    if op.kind == 'Crop' and layer.axis(p.crop_param.axis, 4) != 2:
        raise Unsuited(f'layer {op.name!r}: crops other axes than rows and columns')


def _join(found: Program, pools: bool) -> None:
    """Have a convolution do the ReLU that is the only reader of what it writes, and, with `pools`,
    the 2 x 2 maxima that are the only reader of that.
    """
    readers = Counter(v for op in found.operations for v in op.inputs)
    readers.update(found.outputs.values())
    readers.update(found.like.values())
    maker = {op.output: op for op in found.operations}
    kept = []
    for op in found.operations:
        before = maker.get(op.inputs[0]) if len(op.inputs) == 1 else None
        if (before is None or before.kind != 'Convolution' or before.pool is not None
                or readers[before.output] != 1):
            kept.append(op)
            continue
        if op.layer.type == 'ReLU' and op.layer.slope == 0 and not before.relu:
            before.relu = True
        elif pools and before.relu and _halves(op):
            before.pool = op.layer
        else:
            kept.append(op)
            continue
        found.joined.append(op.layer)
        before.output = op.output
        maker[op.output] = before
    found.operations = kept


def _halves(op: Operation) -> bool:
    """Whether an operation takes the maxima of 2 x 2 windows that do not overlap."""
    layer = op.layer
    return (op.kind == 'Pooling' and layer.method == PoolingParameter.MAX
            and tuple(layer.kernel) == tuple(layer.stride) == (2, 2)
            and not any(layer.pad) and layer.param.pooling_param.round_mode
            == PoolingParameter.CEIL)
