"""What a net holds for an image of zeros, each kind of position once (docs/padding.md).

Along an axis the blank values are special near the two ends and alike in between. A blob's blank
is therefore a small tensor over `Reach.runs` of its rows and columns; the rest is repetition.
"""

from collections.abc import Callable
from functools import lru_cache
from math import prod

import torch
import torch.nn.functional as F

from port.fast.geometry import Place, Reach, Sliding, Span
from port.fast.graphs import keep
from port.fast.plan import Plan, Step

KEPT_INDICES = 4096
Blanks = dict[int, torch.Tensor]
# Applied to (step, bottoms cut to what the window covers, first position read, of rows and columns,
# number of outputs, of rows and columns)
Apply = Callable[[Step, list[torch.Tensor], list[Span]], torch.Tensor]


def spread(blank: torch.Tensor, reaches: list[Reach], rows: range, columns: range) -> torch.Tensor:
    """Return the blank values at the given rows and columns, zeros outside the canvas."""
    x = blank
    for dim, reach, positions in ((2, reaches[0], rows), (3, reaches[1], columns)):
        kept = reach.kept(positions)
        if max(kept) == x.shape[dim]:
            x = F.pad(x, (0, 1) if dim == 3 else (0, 0, 0, 1))
        x = x.index_select(dim, keep(_index(tuple(kept), x.device)))
    return x


@lru_cache(KEPT_INDICES)
def _index(positions: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return positions as a tensor: sent to a GPU once, as sending waits for it."""
    return torch.tensor(positions, device=device)


def strips(places: list[Place]) -> list[list[Span]]:
    """Return the margins around what is computed: above, below, left, right."""
    rows, columns = places
    found = [[Span(rows.wanted.first, rows.computed.first), columns.wanted],
             [Span(rows.computed.last, rows.wanted.last), columns.wanted],
             [rows.computed, Span(columns.wanted.first, columns.computed.first)],
             [rows.computed, Span(columns.computed.last, columns.wanted.last)]]
    return [spans for spans in found if spans[0].size > 0 and spans[1].size > 0]


def needed(plan: Plan) -> set[int]:
    """Return the values whose blanks are wanted: beside a computed part, or below one such."""
    asked: set[int] = set()
    for step in reversed(plan.steps):
        beside = any(p.wanted != p.computed for p in step.places)
        if beside or step.op.output in asked:
            asked.add(step.op.output)
            asked.update(step.op.inputs)
    return asked


def alike(plan: Plan) -> tuple:
    """Return a key that two plans of a program share only if their blank values are the same.

    Those depend on how the ends of each axis meet the strides, and on which positions differ.
    """
    key, asked = [], needed(plan)
    for axis in (0, 1):
        period = prod(step.rules[axis].stride * (1 if step.op.pool is None else 2)
                      for step in plan.steps if isinstance(step.rules[axis], Sliding))
        key += [places[axis].size % period for places in plan.inputs.values()]
        key += [(*step.places[axis].reach.runs[0], len(step.places[axis].reach.runs),
                 step.places[axis].reach.before, step.places[axis].reach.after)
                for step in plan.steps if step.op.output in asked]
    return tuple(key)


def blanks(plan: Plan, channels: dict[int, int], apply: Apply, like: torch.Tensor) -> Blanks:
    """Run the plan's operations on an image of zeros, at the positions that differ."""
    asked = needed(plan)
    reaches = {v: [p.reach for p in places] for v, places in plan.inputs.items()}
    found = {v: like.new_zeros(1, channels[v], *(sum(r.size for r in p.reach.runs)
                                                 for p in places))
             for v, places in plan.inputs.items() if v in asked}
    for step in plan.steps:
        reaches[step.op.output] = [p.reach for p in step.places]
        if step.op.output in asked:
            found[step.op.output] = _blank(step, found, reaches, apply)
    return found


def _blank(step: Step, found: Blanks, reaches: dict[int, list[Reach]],
           apply: Apply) -> torch.Tensor:
    """Compute each pair of runs of rows and columns by itself and join them."""
    rows, columns = (p.reach.runs for p in step.places)
    bands = []
    for down in rows:
        band = [_patch(step, [down, across], found, reaches, apply) for across in columns]
        bands.append(torch.cat(band, 3) if len(band) > 1 else band[0])
    return torch.cat(bands, 2) if len(bands) > 1 else bands[0]


def _patch(step: Step, run: list[Span], found: Blanks, reaches: dict[int, list[Reach]],
           apply: Apply) -> torch.Tensor:
    inner = step.inside(run)
    reads = step.read(inner)
    bottoms = [spread(found[v], reaches[v], range(*reads[0]), range(*reads[1]))
               for v in step.op.inputs]
    return apply(step, bottoms, inner)
