"""Where each value of a program is computed, for inputs of given sizes (docs/padding.md).

Two walks through the operations: downwards, what the image reaches of each value; then from the
outputs up, what is wanted of each. What is both is computed.
"""

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import cast

from netspec.window import pooled_sizes
from port.fast.reach.geometry import (
    AxisPart,
    Interval,
    Reach,
    Resizing,
    SamePlace,
    Shifting,
    Sliding,
    Spreading,
    Stretching,
    everywhere,
    join,
    part_of,
    whole_image,
)
from port.fast.reach.operations import Operation, Program
from port.fast.unsuited import Unsuited

Sizes = tuple[int, int]
Pads = tuple[int, int, int, int]      # left, right, above, below, as F.pad takes them
Rule = Sliding | Spreading | Stretching | Resizing | Shifting | SamePlace
NO_PADS: Pads = (0, 0, 0, 0)
AXES = (0, 1)      # rows, columns


@dataclass(frozen=True)
class Work:
    """What an operation is asked to compute, and from what. Lists are of rows and columns.

    outputs: the outputs to compute, before the maxima that a convolution may take of them.
    reads: what they read of the bottoms, with the padding that a window reads. sizes: of the whole
    (first) bottom. pads: how much of the padding is not in the memory that the operation is given.
    """

    operation: Operation
    rules: list[Rule]
    outputs: list[Interval]
    reads: list[Interval]
    sizes: list[int]
    pads: Pads

    def reads_of(self, place: int) -> list[Interval]:
        """Return what is read of the bottom in that place; one that is added, at the outputs."""
        return self.outputs if place and self.operation.adds else self.reads

    @property
    def windows(self) -> list[Sliding]:
        """The rules of an operation with windows."""
        return cast(list[Sliding], self.rules)


@dataclass
class PlacedOperation:
    """An operation with its rules along rows and columns, and which part of its output is wanted
    and computed.
    """

    operation: Operation
    rules: list[Rule]
    axes: list[AxisPart]
    sizes: list[int]      # of the whole (first) bottom

    @property
    def value(self) -> int:
        """The value that the operation writes."""
        return self.operation.output

    @property
    def wanted(self) -> list[Interval]:
        """What later operations want of the output."""
        return [axis.wanted for axis in self.axes]

    @property
    def computed(self) -> list[Interval]:
        """What is computed of that; the rest is the margin, filled with blank values."""
        return [axis.computed for axis in self.axes]

    @cached_property
    def margins(self) -> list[list[Interval]]:
        """The rectangles around what is computed: above, below, left, right."""
        rows, columns = self.axes
        found = [[Interval(rows.wanted.first, rows.computed.first), columns.wanted],
                 [Interval(rows.computed.last, rows.wanted.last), columns.wanted],
                 [rows.computed, Interval(columns.wanted.first, columns.computed.first)],
                 [rows.computed, Interval(columns.computed.last, columns.wanted.last)]]
        return [sides for sides in found if sides[0].size > 0 and sides[1].size > 0]

    @cached_property
    def work(self) -> Work:
        """What is computed. Where windows read beyond the bottom, they read padding."""
        found = self._work(self.computed, NO_PADS)
        (rows, columns), (height, width) = found.reads, self.sizes
        pads = (max(0, -columns.first), max(0, columns.last - width), max(0, -rows.first),
                max(0, rows.last - height))
        return Work(self.operation, self.rules, found.outputs, found.reads, self.sizes, pads)

    def patch(self, part: list[Interval]) -> Work:
        """Return what computes a part of the output from bottoms that have the padding in them."""
        return self._work(part, NO_PADS)

    def _work(self, part: list[Interval], pads: Pads) -> Work:
        outputs = part
        if self.operation.pool is not None:
            outputs = [Interval(2 * s.first, min(rule.out, 2 * s.last))
                       for s, rule in zip(part, cast(list[Sliding], self.rules), strict=True)]
        reads = [rule.read(s) for rule, s in zip(self.rules, outputs, strict=True)]
        if self.operation.kind == 'Whole':
            reads = [Interval(0, n) for n in self.sizes]
        elif self.operation.kind == 'Pooling':            # whose windows are cut, not padded
            reads = [s.clip(n) for s, n in zip(reads, self.sizes, strict=True)]
        return Work(self.operation, self.rules, outputs, reads, self.sizes, pads)


@dataclass
class ReachPlan:
    """operations: in running order. inputs: value -> rows and columns. share: the multiplications
    of the convolutions that are computed, as a share of the plain engine's.
    """

    operations: list[PlacedOperation]
    inputs: dict[int, list[AxisPart]]
    share: float

    @cached_property
    def axes(self) -> dict[int, list[AxisPart]]:
        """Rows and columns of every value."""
        return self.inputs | {value: placed.axes for placed in self.operations
                              for value in placed.operation.values}

    @cached_property
    def last_reader(self) -> dict[int, PlacedOperation]:
        """By value, the last operation that reads it."""
        return {v: placed for placed in self.operations for v in placed.operation.inputs}

    @cached_property
    def need_blanks(self) -> set[int]:
        """The values whose blank values are needed: for a margin of their own, or to compute
        those of a later value.
        """
        found: set[int] = set()
        for placed in reversed(self.operations):
            if placed.wanted != placed.computed or placed.value in found:
                found.update([placed.value, *placed.operation.inputs])
        return found


def make_plan(program: Program, sizes: dict[str, Sizes], skip: bool = True,
              part: list[Interval] | None = None) -> ReachPlan:
    """Return where to compute what for inputs of these heights and widths.

    skip: leave out what the image does not reach; else all is computed. part: the rows and columns
    wanted of the outputs, where not all; of the inputs, then, just what those need is read.
    """
    reach = {program.inputs[name]: [whole_image(n) for n in size] for name, size in sizes.items()}
    rules: dict[int, list[Rule]] = {}
    for op in program.operations:
        first = [r.size for r in reach[op.inputs[0]]]
        like = program.like.get(op.output)
        rules[op.output] = _rules(op, first, [r.size for r in reach[like]] if like is not None
                                  else first, program.parts)
        found = _reach(op, rules[op.output], [reach[v] for v in op.inputs])
        reach.update((value, found if skip else [everywhere(r.size) for r in found])
                     for value in op.values)
    return _places(program, rules, reach, part)


def _reach(op: Operation, rules: list[Rule], inputs: list[list[Reach]]) -> list[Reach]:
    found = []
    for axis, rule in zip(AXES, rules, strict=True):
        bottoms = [r[axis] for r in inputs]
        read, added = (bottoms[:1], bottoms[1:]) if op.adds else (bottoms, [])
        reached = _joined(op, [rule.reach(_joined(op, read)), *added])
        if op.kind in ('Dropout', 'Whole') or op.places is not None:   # no two positions are alike
            reached = everywhere(reached.size)
        found.append(_halved(reached).reach(reached) if op.pool is not None else reached)
    return found


def _joined(op: Operation, reaches: list[Reach]) -> Reach:
    if len({r.size for r in reaches}) > 1:
        raise Unsuited(f'layer {op.name!r}: bottoms of sizes {[r.size for r in reaches]}')
    return join(reaches)


def _halved(reach: Reach) -> Sliding:
    return Sliding(2, 2, 0, -(-reach.size // 2))


def _rules(op: Operation, size: list[int], like: list[int], parts: bool) -> list[Rule]:
    layer = op.layer
    if op.kind == 'Crop':
        offset = [0, 0, *layer.param.crop_param.offset][-2:]
        if len(layer.param.crop_param.offset) == 1:
            offset = offset[-1:] * 2
        for o, n, have in zip(offset, like, size, strict=True):
            if o + n > have:
                raise ValueError(f'layer {op.name!r}: offset {o} and size {n} reach past the '
                                 f'{have} that are there')
        return [Shifting(o, n) for o, n in zip(offset, like, strict=True)]
    if op.kind == 'Pooling':
        ceil = layer.param.pooling_param.round_mode == layer.param.pooling_param.CEIL
        out = pooled_sizes(size, layer.kernel, layer.stride, layer.pad, ceil)
        if any((n - 1) * stride - pad >= have for n, stride, pad, have in zip(
                out, layer.stride, layer.pad, size, strict=True)):
            raise Unsuited(f'layer {op.name!r}: a window beside the bottom at this size')
        return [Sliding(*n) for n in zip(layer.kernel, layer.stride, layer.pad, out, strict=True)]
    if op.kind in ('Point', 'Dropout'):
        return [SamePlace(), SamePlace()]
    if op.kind in ('Interp', 'Upsample', 'Whole'):
        return _resizing(op, size, like, parts)
    w, out = layer.window, layer.output_sizes(tuple(size))
    if op.kind == 'Deconvolution':
        return [Spreading(*n) for n in zip(w.extent, w.stride, w.pad, out, size, strict=True)]
    if any(w.overhang(size)):
        raise Unsuited(f'layer {op.name!r}: the kernel is larger than the padded bottom')
    return [Sliding(*n) for n in zip(w.extent, w.stride, w.pad, out, strict=True)]


def _resizing(op: Operation, size: list[int], like: list[int], parts: bool) -> list[Rule]:
    layer = op.layer
    out = list(layer.facts.shapes(layer.param, [(1, 1, *size)] * len(op.inputs))[0][2:])
    if op.undoes is not None and out != like:
        raise Unsuited(f'layer {op.name!r}: makes {out} (height, width) of what was pooled '
                       f'from {like}')
    if op.kind == 'Upsample':
        return [Spreading(*n) for n in zip(op.undoes.kernel, op.undoes.stride, op.undoes.pad, out,
                                           size, strict=True)]
    if op.kind == 'Interp' and parts:
        p = layer.param.interp_param
        return [Resizing(n + p.pad_beg + p.pad_end, wide, -p.pad_beg)
                for n, wide in zip(size, out, strict=True)]
    return [Stretching(*n) for n in zip(size, out, strict=True)]


def _places(program: Program, rules: dict[int, list[Rule]], reach: dict[int, list[Reach]],
            part: list[Interval] | None) -> ReachPlan:
    """Walk from the outputs up: what is wanted of each value, and so of its bottoms."""
    wanted: dict[int, list[Interval]] = {
        v: part or [Interval(0, r.size) for r in reach[v]] for v in program.outputs.values()}
    found = []
    for op in reversed(program.operations):
        asked = _asked(op, wanted, reach[op.output])
        if asked is None:
            continue
        placed = _placed(op, rules[op.output], reach[op.output], asked,
                         [r.size for r in reach[op.inputs[0]]])
        found.append(placed)
        for i, value in enumerate(op.inputs):
            clipped = [s.clip(r.size)
                       for s, r in zip(placed.work.reads_of(i), reach[value], strict=True)]
            old = wanted.get(value, clipped)
            wanted[value] = [c.join(o) for c, o in zip(clipped, old, strict=True)]
    everything = {v: [Interval(0, r.size) for r in reach[v]] for v in program.inputs.values()}
    inputs = {v: [part_of(r, w, True) for r, w in zip(
        reach[v], wanted.get(v, whole) if part else whole, strict=True)]
        for v, whole in everything.items()}
    return ReachPlan(found[::-1], inputs, _share(found))


def _asked(op: Operation, wanted: dict[int, list[Interval]],
           reach: list[Reach]) -> list[Interval] | None:
    """Return what an operation is asked for: all of it, or what is wanted of its values."""
    asked = [wanted[value] for value in op.values if value in wanted]
    if asked and op.kind == 'Whole':
        return [Interval(0, r.size) for r in reach]
    return [one.join(other) for one, other in zip(asked[0], asked[-1], strict=True)] \
        if asked else None


def _placed(op: Operation, rules: list[Rule], reach: list[Reach], wanted: list[Interval],
            sizes: list[int]) -> PlacedOperation:
    axes = [part_of(r, w, False) for r, w in zip(reach, wanted, strict=True)]
    placed = PlacedOperation(op, rules, axes, sizes)
    if any(s.last <= 0 or s.first >= n for s, n in zip(placed.work.reads, sizes, strict=True)):
        raise Unsuited(f'layer {op.name!r}: nothing of its bottom is wanted at this size')
    return placed


def _share(operations: list[PlacedOperation]) -> float:
    """Return the multiplications that are computed over those of the plain graph."""
    done = plain = 0
    for placed in operations:
        if placed.operation.kind == 'Convolution':
            cost = placed.operation.layer.blobs[0].count
            done += cost * prod(outputs.size for outputs in placed.work.outputs)
            plain += cost * prod(window.out for window in placed.work.windows)
    return done / plain if plain else 1.0
