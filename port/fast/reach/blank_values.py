"""What a net holds for an image of zeros, each kind of position once (docs/padding.md).

Along an axis blank values differ from one position to the next near the two ends, and are all the
same in between. A value's blank is therefore a small tensor over `Reach.runs` of its rows and of
its columns: the positions near the ends, and one for all between. Blanks are computed from one
another, operation by operation: for each run of rows and each of columns, what the windows there
read is put together from the bottom's blank by repetition (`spread`), and the layer's own
arithmetic is applied to that patch.
"""

from collections.abc import Callable
from functools import lru_cache
from math import prod

import torch
import torch.nn.functional as F

from port.fast.cuda_graphs import keep
from port.fast.reach.geometry import Interval, Reach, Sliding
from port.fast.reach.plan import PlacedOperation, ReachPlan, Work

KEPT_INDICES = 4096
Blanks = dict[int, torch.Tensor]
Apply = Callable[[Work, list[torch.Tensor]], torch.Tensor]      # to bottoms with their padding


def spread(blank: torch.Tensor, reaches: list[Reach], rows: Interval,
           columns: Interval) -> torch.Tensor:
    """Return the blank values at the given rows and columns, zeros outside the blob."""
    x = blank
    for dim, reach, positions in ((2, reaches[0], rows), (3, reaches[1], columns)):
        places = reach.stored_at(range(*positions))
        if max(places) == x.shape[dim]:
            x = F.pad(x, (0, 1) if dim == 3 else (0, 0, 0, 1))
        x = x.index_select(dim, keep(_index(tuple(places), x.device)))
    return x


def gather(gradient: torch.Tensor, blank: torch.Tensor, reaches: list[Reach], rows: Interval,
           columns: Interval) -> torch.Tensor:
    """Return the gradient of a blank from that of what `spread` makes of it."""
    for dim, reach, positions in ((3, reaches[1], columns), (2, reaches[0], rows)):
        places, count = tuple(reach.stored_at(range(*positions))), blank.shape[dim]
        shape = [*gradient.shape]
        shape[dim] = count + 1
        gradient = gradient.new_zeros(shape).index_add_(
            dim, keep(_index(places, gradient.device)), gradient).narrow(dim, 0, count)
    return gradient


@lru_cache(KEPT_INDICES)
def _index(positions: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Return positions as a tensor: sent to a GPU once, as sending waits for it."""
    return torch.tensor(positions, device=device)


def blank_key(plan: ReachPlan) -> tuple[int, ...]:
    """Return a key that two plans of a program share only if their blank values are the same.

    Those depend on how the ends of each axis meet the strides, that is on the inputs' sizes up to
    the product of the strides; and, for small sizes, on where the two ends come so close that no
    position is left between them, which the numbers of computed positions tell.
    """
    key: list[int] = []
    for axis in (0, 1):
        period = prod(rule.stride * (1 if placed.operation.pool is None else 2)
                      for placed in plan.operations
                      if isinstance(rule := placed.rules[axis], Sliding))
        key += [axes[axis].size % period for axes in plan.inputs.values()]
        for placed in plan.operations:
            if placed.value in plan.need_blanks:
                key.append(placed.axes[axis].reach.stored)
    return tuple(key)


def blank_values(plan: ReachPlan, channels: dict[int, int], apply: Apply,
                 like: torch.Tensor) -> Blanks:
    """Return the blank of every value that needs one.

    channels: of the inputs. like: a tensor of the inputs' type and device.
    """
    reaches = {value: [axis.reach for axis in axes] for value, axes in plan.axes.items()}
    found = {v: like.new_zeros(1, channels[v], *(reach.stored for reach in reaches[v]))
             for v in plan.inputs if v in plan.need_blanks}
    for placed in plan.operations:
        if placed.value in plan.need_blanks:
            found[placed.value] = _blank(placed, found, reaches, apply)
    return found


def _blank(placed: PlacedOperation, found: Blanks, reaches: dict[int, list[Reach]],
           apply: Apply) -> torch.Tensor:
    """Compute each pair of runs of rows and columns by itself and join them."""
    rows, columns = (reach.runs for reach in reaches[placed.value])
    return _join([_join([_patch(placed.patch([down, across]), found, reaches, apply)
                         for across in columns], 3) for down in rows], 2)


def _join(parts: list[torch.Tensor], dim: int) -> torch.Tensor:
    return torch.cat(parts, dim) if len(parts) > 1 else parts[0]


def _patch(work: Work, found: Blanks, reaches: dict[int, list[Reach]],
           apply: Apply) -> torch.Tensor:
    return apply(work, [spread(found[v], reaches[v], *work.reads_of(i))
                        for i, v in enumerate(work.operation.inputs)])
