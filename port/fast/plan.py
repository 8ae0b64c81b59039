"""Where each value of a program is computed, for inputs of given sizes (docs/padding.md)."""

from dataclasses import dataclass

from port.engine.pool_axis import output_sizes
from port.fast.geometry import (
    Place,
    Pointwise,
    Reach,
    Shifting,
    Sliding,
    Span,
    Spreading,
    everywhere,
    image,
    join,
    place,
)
from port.fast.program import Op, Program, Unsuited

Sizes = tuple[int, int]
Rule = Sliding | Spreading | Shifting | Pointwise
AXES = (0, 1)      # rows, columns


@dataclass
class Step:
    """An operation in its place: rules and places along rows and columns.

    reads: what it needs of its inputs, the padding of a window beyond the canvas included.
    inner: of a convolution with maxima, its own outputs that are computed for them.
    """

    op: Op
    rules: list[Rule]
    places: list[Place]
    reads: list[Span]
    inner: list[Span]
    sizes: list[int]      # of the (first) bottom

    def inside(self, out: list[Span]) -> list[Span]:
        """Return the convolution's own outputs below a span of outputs: twice, with maxima."""
        if self.op.pool is None:
            return out
        return [Span(2 * s.first, min(rule.out, 2 * s.last))
                for s, rule in zip(out, self.rules, strict=True)]

    def read(self, inner: list[Span]) -> list[Span]:
        """Return what is read for these: with a convolution's padding, without a pooling's."""
        reads = [rule.read(s) for rule, s in zip(self.rules, inner, strict=True)]
        if self.op.kind == 'Pooling':
            reads = [s.clip(n) for s, n in zip(reads, self.sizes, strict=True)]
        return reads


@dataclass
class Plan:
    """steps in running order; inputs: value -> its places; share: of the positions of all
    convolutions' outputs, how many are computed.
    """

    steps: list[Step]
    inputs: dict[int, list[Place]]
    share: float


def plan(program: Program, sizes: dict[str, Sizes], skip: bool = True) -> Plan:
    """Return where to compute what for inputs of these heights and widths.

    skip: leave out what the image does not reach; else all is computed.
    """
    reach = {program.inputs[name]: [image(n) for n in size] for name, size in sizes.items()}
    rules: dict[int, list[Rule]] = {}
    for op in program.ops:
        first = [r.size for r in reach[op.inputs[0]]]
        like = program.like.get(op.output)
        rules[op.output] = _rules(op, first, [r.size for r in reach[like]] if like is not None
                                  else first)
        found = _reach(op, rules[op.output], [reach[v] for v in op.inputs])
        reach[op.output] = found if skip else [everywhere(r.size) for r in found]
    return _places(program, rules, reach)


def _reach(op: Op, rules: list[Rule], inputs: list[list[Reach]]) -> list[Reach]:
    found = []
    for axis, rule in zip(AXES, rules, strict=True):
        bottoms = [r[axis] for r in inputs]
        if len({b.size for b in bottoms}) > 1:
            raise Unsuited(f'layer {op.name!r}: bottoms of sizes {[b.size for b in bottoms]}')
        reached = rule.reach(join(bottoms))
        if op.kind == 'Dropout':                 # no two positions are alike
            reached = everywhere(reached.size)
        found.append(_halved(reached).reach(reached) if op.pool is not None else reached)
    return found


def _halved(reach: Reach) -> Sliding:
    return Sliding(2, 2, 0, -(-reach.size // 2))


def _rules(op: Op, size: list[int], like: list[int]) -> list[Rule]:
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
        out = output_sizes(tuple(size), layer.kernel, layer.stride, layer.pad, ceil)
        if any((n - 1) * stride - pad >= have for n, stride, pad, have in zip(
                out, layer.stride, layer.pad, size, strict=True)):
            raise Unsuited(f'layer {op.name!r}: a window beside the bottom at this size')
        return [Sliding(*n) for n in zip(layer.kernel, layer.stride, layer.pad, out, strict=True)]
    if op.kind in ('Point', 'Dropout'):
        return [Pointwise(), Pointwise()]
    w, out = layer.window, layer.output_sizes(tuple(size))
    if op.kind == 'Deconvolution':
        return [Spreading(*n) for n in zip(w.extent, w.stride, w.pad, out, size, strict=True)]
    if any(w.overhang(size)):
        raise Unsuited(f'layer {op.name!r}: the kernel is larger than the padded bottom')
    return [Sliding(*n) for n in zip(w.extent, w.stride, w.pad, out, strict=True)]


def _places(program: Program, rules: dict[int, list[Rule]],
            reach: dict[int, list[Reach]]) -> Plan:
    """Walk from the outputs up: what is wanted of each value, and so of its bottoms."""
    wanted: dict[int, list[Span]] = {
        v: [Span(0, r.size) for r in reach[v]] for v in program.outputs.values()}
    steps = []
    for op in reversed(program.ops):
        if op.output not in wanted:
            continue
        step = _step(op, rules[op.output], reach[op.output], wanted[op.output],
                     [r.size for r in reach[op.inputs[0]]])
        steps.append(step)
        for value in op.inputs:
            clipped = [s.clip(r.size) for s, r in zip(step.reads, reach[value], strict=True)]
            old = wanted.get(value, [None, None])
            wanted[value] = [c.join(o) for c, o in zip(clipped, old, strict=True)]
    inputs = {v: [place(r, Span(0, r.size), True) for r in reach[v]]
              for v in program.inputs.values()}
    return Plan(steps[::-1], inputs, _share(steps))


def _step(op: Op, rules: list[Rule], reach: list[Reach], wanted: list[Span],
          sizes: list[int]) -> Step:
    places = [place(r, w, False) for r, w in zip(reach, wanted, strict=True)]
    step = Step(op, rules, places, [], [], sizes)
    step.inner = step.inside([p.computed for p in places])
    step.reads = step.read(step.inner)
    if any(s.last <= 0 or s.first >= n for s, n in zip(step.reads, sizes, strict=True)):
        raise Unsuited(f'layer {op.name!r}: nothing of its bottom is wanted at this size')
    return step


def _share(steps: list[Step]) -> float:
    """Return the multiplications that are computed over those of the plain graph."""
    done = plain = 0
    for step in steps:
        if step.op.kind == 'Convolution':
            cost = step.op.layer.blobs[0].count
            done += cost * step.inner[0].size * step.inner[1].size
            plain += cost * step.rules[0].out * step.rules[1].out
    return done / plain if plain else 1.0
