"""A net as a list of operations on values. A value is what a blob holds between one layer that
writes it and the next; each is written once and has a number.

A layer in place reads one value and writes another. Split, and Dropout in testing, write nothing
new. A ReLU is done by the convolution before it, Scale and ReLU by the BatchNorm of a batch. In
testing convolutions also do 2 x 2 maxima, the sum with another value (a residual block's) and what
multiplies and shifts each channel (BatchNorm by stored statistics, Scale, Bias). What the wanted
outputs do not need is left out.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from netspec.schema.messages import EltwiseParameter, LRNParameter, PoolingParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.net import Net
from port.engine.wiring import Node
from port.fast.unsuited import Unsuited

WINDOWED = {'Convolution', 'Deconvolution', 'Pooling'}
WHOLE = {'BatchNorm', 'BN', 'Upsample'}      # each value may depend on all others of a channel
AFFINE = {'BatchNorm', 'Scale', 'Bias'}      # as far as `why_not` lets them pass


@dataclass
class Operation:
    """A layer, the values it reads, the value it writes, and the layers after it that it does
    as well, in this order: affine ones, a sum, a ReLU, a pooling.
    """

    kind: str                     # the layer's type, Point for all that is pointwise, or Whole
    name: str
    layer: Any                    # of a class that `kind` tells
    inputs: list[int]
    output: int
    places: int | None = None     # a second value that it writes: where the maxima stood
    undoes: Any = None            # the pooling at whose places an Upsample puts values
    affine: list[Any] = field(default_factory=list)    # layers that scale and shift channels
    adds: bool = False            # the second input is added to what the layer computes
    relu: bool = False
    pool: Layer | None = None     # of kernel 2, stride 2: the output is the maxima
    unknown: str = ''             # why its arithmetic is not known here

    @property
    def values(self) -> list[int]:
        """The values that it writes."""
        return [self.output] if self.places is None else [self.output, self.places]

    @property
    def layers(self) -> list[Any]:
        """The layers that have parameters, in running order."""
        return [self.layer, *self.affine]

    @property
    def parameters(self) -> list[tuple[Blob, bool]]:
        """The parameters, and whether each is learnt."""
        return [pair for layer in self.layers
                for pair in zip(layer.blobs, layer.param_propagate_down, strict=True)]

    @property
    def same_weights(self) -> tuple:
        """Return what convolutions share that can be computed with the same packed weights."""
        options = [(*map(id, layer.blobs), layer.param.convolution_param.SerializeToString(),
                    layer.param.batch_norm_param.SerializeToString()) for layer in self.layers]
        return self.relu, self.pool is not None, *options


@dataclass
class Program:
    """operations: in running order. inputs, outputs: blob name -> value. like: the value that a
    Crop writes -> the value whose size it takes; and that of an Upsample -> the value that was
    pooled. parts: made for parts of the outputs (tiles.py).
    """

    operations: list[Operation]
    inputs: dict[str, int]
    outputs: dict[str, int]
    like: dict[int, int]
    parts: bool


class ProgramMaker:
    """Turns nodes into operations. values: the number of the value that a blob holds, by the
    blob's id, as far as the net has been read.

    training: Dropout is at work, and poolings and sums stay operations of their own, as their
    backward pass needs what they read. parts: of the outputs are to be computed, so that an
    Upsample or an Interp reads but a part as well; for whole images that is slower.
    """

    def __init__(self, training: bool = False, parts: bool = False) -> None:
        self.training, self.parts = training, parts
        self.values: dict[int, int] = {}
        self.operations: list[Operation] = []
        self.inputs: dict[str, int] = {}
        self.like: dict[int, int] = {}
        self.count = 0

    def _new(self) -> int:
        """Return the number of a new value."""
        self.count += 1
        return self.count - 1

    def copies(self, node: Node) -> bool:
        """Whether the tops of a layer are its bottom's value."""
        return node.layer.type == 'Split' or node.layer.facts.copies and not self.training

    def add(self, node: Node) -> None:
        """Add the next layer of the net."""
        values = self.values
        if not node.bottom:
            for blob in node.top:
                values[id(blob)] = self.inputs[blob.name] = self._new()
            return
        inputs = [values[id(b)] for b in node.bottom]
        if self.copies(node):
            values.update((id(b), inputs[0]) for b in node.top)
            return
        made = [self._new() for _ in node.top]
        values.update(zip(map(id, node.top), made, strict=True))
        if node.layer.type == 'Crop':
            self.like[made[0]] = inputs.pop()
        self.operations.append(Operation(
            kind_of(node, self.parts), node.name, node.layer, inputs,
            made[0] if made else self._new(), made[1] if len(made) > 1 else None,
            unknown=self.why_not(node)))

    def why_not(self, node: Node) -> str:
        """Return why a layer cannot be made an operation; '' where it can."""
        reason = '' if self.copies(node) else next(_reasons(node, kind_of(node, self.parts)), '')
        return f'layer {node.name!r}: {reason}' if reason else ''

    def finish(self, outputs: dict[str, int]) -> Program:
        """Return the program of these outputs; Unsuited where one needs what is not known."""
        found = Program(self.operations, self.inputs, outputs, self.like, self.parts)
        _prune(found)
        for op in found.operations:
            if op.unknown:
                raise Unsuited(op.unknown)
        _find_undone(found)
        _Joiner(found, self.training).run()
        return found


def testing_program(net: Net, wanted: Sequence[str] | None = None,
                    parts: bool = False) -> Program:
    """Return the operations that compute the wanted blobs (default: the outputs); Unsuited where
    they are not known here.
    """
    made = ProgramMaker(parts=parts)
    for node in net.nodes:
        made.add(node)
    return made.finish({name: made.values[id(net.all_blobs[name])]
                        for name in wanted or net.outputs})


def _prune(found: Program) -> None:
    """Keep the operations and inputs that the outputs and the sizes of crops come from."""
    needed, kept = set(found.outputs.values()), []
    for op in reversed(found.operations):
        op.places = op.places if op.places in needed else None
        if op.output in needed or op.places is not None:
            kept.append(op)
            needed.update(op.inputs)
            needed.update([found.like[op.output]] if op.output in found.like else [])
    found.operations = kept[::-1]
    found.inputs = {name: value for name, value in found.inputs.items() if value in needed}


def _find_undone(found: Program) -> None:
    """Tell each Upsample at the places of which pooling it puts values."""
    pooled = {op.places: op for op in found.operations if op.places is not None}
    for op in found.operations:
        if op.layer.type == 'Upsample' and op.inputs[1] in pooled:
            pooling = pooled[op.inputs[1]]
            op.undoes, found.like[op.output] = pooling.layer, pooling.inputs[0]
        elif op.kind == 'Upsample':
            raise Unsuited(f'layer {op.name!r}: puts values back at places that no pooling of the '
                           'net found')


def kind_of(node: Node, parts: bool) -> str:
    """Return how the positions that a layer writes depend on those that it reads."""
    layer: Any = node.layer
    tops = 2 if layer.type == 'Pooling' else 1
    if not 1 <= len(node.top) <= tops:
        return f'{layer.type} with {len(node.top)} tops'
    if layer.type in WHOLE and not parts and not getattr(layer, 'stored', False):
        return 'Whole'
    pointwise = layer.facts.pointwise or layer.type == 'BN' and not layer.learn
    return 'Point' if pointwise and not layer.facts.copies else layer.type


def _reasons(node: Node, kind: str) -> Iterator[str]:
    """Yield why a layer's arithmetic is not known here."""
    layer: Any = node.layer
    p, alone = layer.param, len(node.bottom) == 1
    if kind not in (*WINDOWED, 'Crop', 'Dropout', 'Interp', 'Point', 'Upsample', 'Whole'):
        yield f'{kind} is not known to the fast path'
    if node.shared:
        yield 'works in place on memory that blobs share'
    if kind in WINDOWED and not alone:
        yield f'{kind} of {len(node.bottom)} bottoms'
    if any(len(blob.shape) != 4 for blob in (*node.bottom, *node.top)):
        yield 'not over rows and columns'
    if kind in ('Convolution', 'Deconvolution') and (
            layer.channel_axis != 1 or layer.spatial_axes != 2):
        yield 'not over rows and columns'
    if kind == 'Pooling' and (layer.kernel is None
                              or layer.method == PoolingParameter.STOCHASTIC):
        yield 'pooling over the whole image or at random'
    if kind == 'Pooling' and layer.dilation != (1, 1):
        yield 'pooling with a dilation'
    if kind == 'Crop' and layer.axis(p.crop_param.axis, 4) != 2:
        yield 'crops other axes than rows and columns'
    unusual = {
        'LRN': p.lrn_param.norm_region == LRNParameter.WITHIN_CHANNEL,
        'BatchNorm': kind != 'Whole' and not getattr(layer, 'stored', False),
        'Concat': getattr(layer, 'at', 1) != 1,
        'Softmax': p.softmax_param.axis != 1,
        'Scale': not alone or p.scale_param.axis != 1 or p.scale_param.num_axes not in (0, 1),
        'Bias': not alone or p.bias_param.axis != 1 or p.bias_param.num_axes not in (0, 1),
        'Eltwise': p.bottom[:1] == p.top[:1]
        and p.eltwise_param.operation != EltwiseParameter.PROD}
    if unusual.get(layer.type):
        yield f'{layer.type} here is not position by position'


class _Joiner:
    """Has operations do the layers behind them that are the only readers of what they write."""

    def __init__(self, found: Program, training: bool) -> None:
        self.found, self.training = found, training
        self.readers = Counter(v for op in found.operations for v in op.inputs)
        self.readers.update(found.outputs.values())
        self.readers.update(found.like.values())
        self.place: dict[int, int] = {}           # of the operation that writes a value, in kept
        self.kept: list[Operation] = []

    def run(self) -> None:
        """Join what can be joined."""
        for op in self.found.operations:
            first = self._before(op)
            if first is not None and self._takes(first, op):
                self.place[op.output] = self.place[first.output]
                first.output = op.output
            else:
                self.place[op.output] = len(self.kept)
                self.kept.append(op)
        self.found.operations = self.kept

    def _before(self, op: Operation) -> Operation | None:
        """Return the operation that may do another: of two that a sum reads the later one, as the
        other's value is there then.
        """
        last = max((self.place.get(v, -1) for v in op.inputs), default=-1)
        if last < 0 or self.readers[self.kept[last].output] != 1:
            return None
        return self.kept[last]

    def _takes(self, first: Operation, op: Operation) -> bool:
        """Have an operation do the next, if it can."""
        norm = first.kind == 'Whole' and first.layer.type == 'BatchNorm'
        if not norm and first.kind != 'Convolution' or first.pool is not None:
            return False
        if op.layer.type == 'ReLU' and op.layer.slope == 0 and not first.relu:
            first.relu = True
            return True
        return _takes_scale(first, op) if norm else not self.training and _takes_more(first, op)


def _takes_scale(norm: Operation, op: Operation) -> bool:
    """Have BatchNorm do a Scale of each channel, if it can."""
    fits = (op.layer.type == 'Scale' and not norm.relu and not norm.affine
            and op.layer.blobs[0].shape == norm.layer.blobs[0].shape)
    norm.affine.extend([op.layer] if fits else [])
    return fits


def _takes_more(conv: Operation, op: Operation) -> bool:
    """Have a convolution do what it does in testing only, if it can."""
    if conv.relu:
        conv.pool = op.layer if halves(op.layer) and not conv.adds and op.places is None else None
        return conv.pool is not None
    if op.kind == 'Point' and op.layer.type in AFFINE and not conv.adds:
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


def halves(layer: Any) -> bool:
    """Whether a layer takes the maxima of 2 x 2 windows that do not overlap."""
    return (layer.type == 'Pooling' and layer.method == PoolingParameter.MAX
            and (layer.kernel, layer.stride, layer.pad) == ((2, 2), (2, 2), (0, 0))
            and layer.param.pooling_param.round_mode == PoolingParameter.CEIL)
