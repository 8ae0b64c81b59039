"""A net as a list of operations on values. A value is what a blob holds between one layer that
writes it and the next; each is written once and has a number.

A layer in place reads one value and writes another. Split, and Dropout in testing, write nothing
new. A ReLU is done by the convolution before it. In testing so are 2 x 2 maxima, the sum with
another value (a residual block's) and what multiplies and shifts each channel (BatchNorm by stored
statistics, Scale, Bias). What the wanted outputs do not need is left out.
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

WINDOWED = {'Convolution', 'Deconvolution', 'Pooling', 'Places'}
POOLED = ('Pooling', 'Places')
AFFINE = {'BatchNorm', 'Scale', 'Bias'}      # as far as `check` lets them pass


@dataclass
class Operation:
    """A layer, the values it reads, the value it writes, and the layers after it that it does
    as well, in this order: affine ones, a sum, a ReLU, a pooling.
    """

    kind: str                     # the layer's type, Point for all that is pointwise, or Places
    name: str
    layer: Any                    # of a class that `kind` tells
    inputs: list[int]
    output: int
    affine: list[Any] = field(default_factory=list)    # layers that scale and shift channels
    adds: bool = False            # the second input is added to what the layer computes
    relu: bool = False
    pool: Layer | None = None     # of kernel 2, stride 2: the output is the maxima
    undoes: Any = None            # the pooling at whose places an Upsample puts values

    @property
    def same_weights(self) -> tuple:
        """Return what convolutions share that can be computed with the same packed weights."""
        options = [(*map(id, layer.blobs), layer.param.convolution_param.SerializeToString(),
                    layer.param.batch_norm_param.SerializeToString())
                   for layer in (self.layer, *self.affine)]
        return self.relu, self.pool is not None, *options


@dataclass
class Program:
    """operations: in running order. inputs, outputs: blob name -> value. like: the value that a
    Crop or an Upsample writes -> the value whose size it takes. joined: layers that the operation
    of another layer does as well. parts: made for parts of the outputs (tiles.py).
    """

    operations: list[Operation]
    inputs: dict[str, int]
    outputs: dict[str, int]
    like: dict[int, int]
    joined: list[Layer] = field(default_factory=list)
    parts: bool = False


def testing_program(net: Net, wanted: Sequence[str] | None = None,
                    parts: bool = False) -> Program:
    """Return the operations that compute the wanted blobs (default: the outputs); Unsuited where
    they are not known here.

    parts: they are to compute parts of the blobs, so that unpooling belongs to them, and a resizing
    reads but a part; for whole images other engines do those faster.
    """
    made = _Maker({name for name, row in LAYER_TYPES.items() if row.copies}, parts)
    for node in net.nodes:
        made.add(node)
    return _finish(made, {name: made.values[id(net.all_blobs[name])]
                          for name in wanted or net.outputs}, testing=True)


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
                          for node in losses}, testing=False)


def _finish(made: '_Maker', outputs: dict[str, int], testing: bool) -> Program:
    found = Program(made.operations, made.inputs, outputs, made.like, parts=made.parts)
    _prune(found)
    for op in found.operations:
        check(op)
    _Joiner(found, testing).run()
    return found


class _Maker:
    """Turns nodes into operations. values: the number of the value that a blob holds, by the
    blob's id, as far as the net has been read. same: types whose tops are their bottom's value.
    pooled: the value that holds the places of maxima -> the pooling's layer and what it reads.
    """

    def __init__(self, same: set[str], parts: bool = False) -> None:
        self.same, self.parts = same, parts
        self.pooled: dict[int, tuple[Layer, int]] = {}
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
        if self.parts and kind == 'Pooling' and len(node.top) == 2:
            self._with_places(node, inputs[0])
            return
        made = self.new()
        values.update((id(b), made if i == 0 else self.new()) for i, b in enumerate(node.top))
        if kind == 'Crop':
            self.like[made] = inputs.pop()
        row = node.layer.facts
        layer: Any = node.layer
        pointwise = row.pointwise or self.parts and kind == 'BN' and not layer.learn
        simple = 'Point' if pointwise and not row.copies else kind
        if len(node.top) != 1:
            simple = f'{kind} with {len(node.top)} tops'
        self.operations.append(Operation(simple, node.name, layer, inputs, made))
        if simple == 'Upsample' and inputs[1] in self.pooled:
            self.operations[-1].undoes, self.like[made] = self.pooled[inputs[1]]

    def _with_places(self, node: Node, bottom: int) -> None:
        """Add a pooling with two tops as two operations: the maxima, and where they stand."""
        for kind, blob in zip(POOLED, node.top, strict=True):
            made = self.values[id(blob)] = self.new()
            self.operations.append(Operation(kind, node.name, node.layer, [bottom], made))
        self.pooled[made] = node.layer, bottom


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
    if op.kind not in (*WINDOWED, 'Crop', 'Dropout', 'Interp', 'Point', 'Upsample'):
        raise Unsuited(f'layer {op.name!r}: {op.kind} is not known to the fast path')
    if op.kind == 'Upsample' and op.undoes is None:
        raise Unsuited(f'layer {op.name!r}: puts values back at places that no pooling of the net '
                       'found, or for images in one piece')
    if op.kind in WINDOWED and len(op.inputs) != 1:
        raise Unsuited(f'layer {op.name!r}: {op.kind} of {len(op.inputs)} bottoms')
    if op.kind in ('Convolution', 'Deconvolution') and (
            layer.channel_axis != 1 or layer.spatial_axes != 2):
        raise Unsuited(f'layer {op.name!r}: not over rows and columns')
    if op.kind in POOLED and (layer.kernel is None
                              or layer.method == PoolingParameter.STOCHASTIC):
        raise Unsuited(f'layer {op.name!r}: pooling over the whole image or at random')
    if op.kind in POOLED and layer.dilation != (1, 1):
        raise Unsuited(f'layer {op.name!r}: pooling with a dilation')
    if op.kind == 'Places' and layer.method != PoolingParameter.MAX:
        raise Unsuited(f'layer {op.name!r}: places of what is no maximum')
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


class _Joiner:
    """Has convolutions do the layers behind them that are the only readers of what they write.

    testing: more than a ReLU, as there is no backward pass that needs what is between.
    """

    def __init__(self, found: Program, testing: bool) -> None:
        self.found, self.testing = found, testing
        self.readers = Counter(v for op in found.operations for v in op.inputs)
        self.readers.update(found.outputs.values())
        self.readers.update(found.like.values())
        self.place: dict[int, int] = {}           # of the operation that writes a value, in kept
        self.kept: list[Operation] = []

    def run(self) -> None:
        """Join what can be joined."""
        for op in self.found.operations:
            conv = self._before(op)
            if conv is not None and self._takes(conv, op):
                self.found.joined.append(op.layer)
                self.place[op.output] = self.place[conv.output]
                conv.output = op.output
            else:
                self.place[op.output] = len(self.kept)
                self.kept.append(op)
        self.found.operations = self.kept

    def _before(self, op: Operation) -> Operation | None:
        """Return the convolution that may do an operation: of two that a sum reads the later one,
        as the other's value is there then.
        """
        last = max((self.place.get(v, -1) for v in op.inputs), default=-1)
        if last < 0 or self.readers[self.kept[last].output] != 1:
            return None
        return self.kept[last] if self.kept[last].kind == 'Convolution' else None

    def _takes(self, conv: Operation, op: Operation) -> bool:
        """Have a convolution do an operation, if it can."""
        if conv.pool is not None:
            return False
        if op.layer.type == 'ReLU' and op.layer.slope == 0 and not conv.relu:
            conv.relu = True
            return True
        if not self.testing:
            return False
        if conv.relu:
            conv.pool = op.layer if _halves(op) and not conv.adds else None
            return conv.pool is not None
        if op.layer.type in AFFINE and not conv.adds:
            conv.affine.append(op.layer)
            return True
        if _adds(op) and not conv.adds:
            conv.adds = True
            conv.inputs.extend(v for v in op.inputs if v != conv.output)
            return True
        return False


def _adds(op: Operation) -> bool:
    """Whether an operation is the sum of two different values."""
    return (op.layer.type == 'Eltwise' and len({*op.inputs}) == len(op.inputs) == 2
            and op.layer.param.eltwise_param.operation == EltwiseParameter.SUM
            and op.layer.coeff == [1.0, 1.0])


def _halves(op: Operation) -> bool:
    """Whether an operation takes the maxima of 2 x 2 windows that do not overlap."""
    layer = op.layer
    return (op.kind == 'Pooling' and layer.method == PoolingParameter.MAX
            and tuple(layer.kernel) == tuple(layer.stride) == (2, 2)
            and not any(layer.pad) and layer.param.pooling_param.round_mode
            == PoolingParameter.CEIL)
