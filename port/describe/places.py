"""Where each top of a net lies on the data, and how much of it one value sees: the coordinate maps
of netspec.layer_types, composed from the inputs on (Long et al. 2015, section 3 and table 1).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from netspec.coord_map import CoordMap, UndefinedMapException, inverse
from netspec.layer_shapes import MaybeShape, Shape
from port.describe.net_shapes import ShapedLayer, ShapedNet

Pair = tuple[Fraction, Fraction]


@dataclass(frozen=True)
class Place:
    """Where a top lies on the data: x_data = stride x_top + offset, for rows and columns.

    field: how many rows and columns of the data one value depends on.
    """

    stride: Pair
    offset: Pair
    field: Pair


START = Place((Fraction(1),) * 2, (Fraction(0),) * 2, (Fraction(1),) * 2)
Below = list[Place | None]


def places_of(net: ShapedNet) -> list[tuple[Below, Place | None]]:
    """Return for each layer the places of its bottoms, and that of its tops (None: they have none).

    Where several bottoms join, the tops lie where the first one does.
    """
    places: dict[str, Place | None] = {}
    found = []
    for layer in net.layers:
        below = [places[name] for name in layer.param.bottom]
        here = _place(layer, below)
        places.update(dict.fromkeys(layer.tops, here))
        found.append((below, here))
    return found


def _place(layer: ShapedLayer, below: Below) -> Place | None:
    """Return where the tops lie, from where the bottoms do."""
    row, shapes = layer.facts, known_shapes(layer.bottom_shapes)
    if not below:
        made = layer.top_shapes[0] if layer.top_shapes else None
        return START if made is not None and len(made) == 4 else None
    if below[0] is None or len(shapes) < len(below) or len(shapes[0]) != 4:
        return None
    try:
        way = row.coords(layer.param, shapes)
    except UndefinedMapException:
        return None
    first = below[0]
    read = [p for i, p in enumerate(below) if p and i != row.size_bottom]
    field = pair(max(p.field[i] for p in read) for i in (0, 1))
    reach = pair(n * s for n, s in zip(row.reach(layer.param), first.stride, strict=True))
    scale, shift = _pairs(inverse(way))
    return Place(
        pair(s * a for s, a in zip(first.stride, scale, strict=True)),
        pair(s * b + o for s, b, o in zip(first.stride, shift, first.offset, strict=True)),
        pair(f + r for f, r in zip(field, reach, strict=True)))


def known_shapes(shapes: Iterable[MaybeShape]) -> list[Shape]:
    """Return the shapes that are known."""
    return [shape for shape in shapes if shape is not None]


def pair(values: Iterable[Fraction | int]) -> Pair:
    """Return two numbers, for rows and columns, as fractions."""
    first, second = values
    return Fraction(first), Fraction(second)


def _pairs(way: CoordMap) -> tuple[Pair, Pair]:
    """Return scale and shift of a map with one number for rows and one for columns."""
    both = [list(v) * (2 // len(v)) if hasattr(v, '__len__') else [v, v] for v in way[1:]]
    return pair(both[0]), pair(both[1])


def both(numbers: Sequence[Fraction | int]) -> str:
    """Return two numbers as text, one where they are equal: 404, 5 x 1."""
    one, other = (f'{float(v):g}' for v in numbers)
    return one if one == other else f'{one} x {other}'
