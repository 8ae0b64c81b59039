"""What a net consists of: shapes, parameters, multiply-adds, memory, and where each top lies on the
data (Long et al. 2015, table 1: parameter layers, parameters, receptive field, stride).
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from netspec.coord_map import CoordMap, UndefinedMapException, inverse
from netspec.layer_shapes import MaybeShape, Shape, known_prod
from netspec.named_net import find_net
from netspec.schema.messages import TEST, NetParameter, ParamSpec
from netspec.variants import Variant
from port.describe.net_shapes import ShapedLayer, ShapedNet, shaped_net
from port.engine.net import Net

FLOAT = 4                                    # bytes
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


@dataclass(frozen=True)
class Row:
    """One top of a layer (the layer itself where it has none); numbers are on its first top's row.

    shape: None where it is not known. learnt, fixed: parameters with a learning rate and without.
    place: None where it has none.
    view: a classifier's field of view as DeepLab's papers count it (see `_view`).
    """

    layer: str
    type: str
    top: str
    shape: MaybeShape
    learnt: int
    fixed: int
    multiply_adds: int
    bytes: int
    place: Place | None
    view: int | None = None


@dataclass(frozen=True)
class Totals:
    """Sums over a net. field and stride: the largest of a layer with learnt parameters.

    views: the fields of view as DeepLab's papers count them, by layer.
    """

    layers: int
    parameter_layers: int
    learnt: int
    fixed: int
    multiply_adds: int
    activation_bytes: int
    parameter_bytes: int
    receptive_field: tuple[int, int] | None
    stride: tuple[int, int] | None
    views: dict[str, int]


def summary(net: Net | NetParameter | Variant | str | PathLike[str],
            size: tuple[int, int] | None = None) -> str:
    """Return what a net consists of as a table: print(port.summary('voc-fcn8s')).

    net: what names a net (netspec.named_net), whose deploy net is taken; its message; or a Net.
    size: height and width of the image, in place of the net's own. Nothing is computed, and no
    memory taken, however large the net.
    """
    if isinstance(net, Net):
        source: NetParameter | Path = NetParameter(layer=[entry.param for entry in net.entries])
        phase = net.phase
    else:
        source = net if isinstance(net, NetParameter) else find_net(net).deploy()
        phase = TEST
    return table(summarize(shaped_net(source, phase, size)))


# -- rows ------------------------------------------------------------------------------------------

def summarize(net: ShapedNet) -> list[Row]:
    """Return a row for each top, in running order."""
    places: dict[str, Place | None] = {}
    rates = _Rates(net)
    rows = []
    for layer in net.layers:
        below = [places[name] for name in layer.param.bottom]
        place = _place(layer, below)
        learnt, fixed = rates.count(layer)
        shapes: list[MaybeShape] = list(layer.top_shapes) or [()]
        for i, (top, shape) in enumerate(zip(layer.tops or [''], shapes, strict=True)):
            first = i == 0
            rows.append(Row(
                layer.name, layer.type, top, shape, learnt * first, fixed * first,
                multiply_adds(layer) * first, _bytes(layer, shape) if top else 0, place,
                _view(layer, below[0]) if first and below else None))
        places.update(dict.fromkeys(layer.tops, place))
    return rows


class _Rates:
    """Which parameters are learnt, and which have been counted: shared ones count once."""

    def __init__(self, net: ShapedNet) -> None:
        self.counted: set[str] = set()
        self.named: dict[str, float] = {}           # the first rate that a sharer gives
        for layer in net.layers:
            for spec in layer.param.param:
                if spec.name and spec.HasField('lr_mult'):
                    self.named.setdefault(spec.name, spec.lr_mult)

    def count(self, layer: ShapedLayer) -> tuple[int, int]:
        """Return how many parameters of a layer are learnt and how many are not."""
        numbers, specs = [0, 0], layer.param.param
        for i, param in enumerate(layer.params):
            spec = specs[i] if i < len(specs) else ParamSpec()
            if spec.name in self.counted:
                continue
            self.counted.update([spec.name] if spec.name else [])
            rate = self.named.get(spec.name, spec.lr_mult) if layer.facts.learns else 0
            numbers[rate == 0] += known_prod(param.shape) or 0
        return numbers[0], numbers[1]


def _bytes(layer: ShapedLayer, shape: MaybeShape) -> int:
    """Return the memory that a top takes of its own."""
    if layer.facts.shares_memory or layer.in_place or shape is None:
        return 0
    return FLOAT * (known_prod(shape) or 0)


def multiply_adds(layer: ShapedLayer) -> int:
    """Return the products that the layer's weights take part in (0 for layers without any).

    Convolution: outputs times the weights of one; Deconvolution: the same the other way round.
    """
    bottoms, tops = (known_shapes(shapes) for shapes in (layer.bottom_shapes, layer.top_shapes))
    return layer.facts.products(bottoms, tops, layer.params) or 0


# -- places ----------------------------------------------------------------------------------------

def _place(layer: ShapedLayer, below: list[Place | None]) -> Place | None:
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
    field = _pair(max(p.field[i] for p in read) for i in (0, 1))
    reach = _pair(n * s for n, s in zip(row.reach(layer.param), first.stride, strict=True))
    scale, shift = _pairs(inverse(way))
    return Place(
        _pair(s * a for s, a in zip(first.stride, scale, strict=True)),
        _pair(s * b + o for s, b, o in zip(first.stride, shift, first.offset, strict=True)),
        _pair(f + r for f, r in zip(field, reach, strict=True)))


def _view(layer: ShapedLayer, below: Place | None) -> int | None:
    """Return 8 (k - 1) r + 32 for DeepLab's fc6, of k x k taps at rate r over strides of 8.

    So the papers count (1412.7062, table 2): 224 where VGG16 saw 7 x 7 places 32 apart. What a
    value depends on in truth is `Place.field`.
    """
    if layer.type != 'Convolution' or not layer.name.startswith('fc6') or below is None \
            or set(below.stride) != {8}:
        return None
    return 8 * max(layer.facts.reach(layer.param)) + 32


def known_shapes(shapes: Iterable[MaybeShape]) -> list[Shape]:
    """Return the shapes that are known."""
    return [shape for shape in shapes if shape is not None]


def _pair(values: Iterable[Fraction | int]) -> Pair:
    first, second = values
    return Fraction(first), Fraction(second)


def _pairs(way: CoordMap) -> tuple[Pair, Pair]:
    """Return scale and shift of a map with one number for rows and one for columns."""
    both = [list(v) * (2 // len(v)) if hasattr(v, '__len__') else [v, v] for v in way[1:]]
    return _pair(both[0]), _pair(both[1])


# -- sums ------------------------------------------------------------------------------------------

def totals(rows: Sequence[Row]) -> Totals:
    """Return the sums over a net."""
    layers = [row for row in rows if row.learnt]
    places = [row.place for row in layers if row.place]

    def largest(what: str) -> tuple[int, int] | None:
        pairs = [getattr(p, what) for p in places]
        return (max(int(p[0]) for p in pairs), max(int(p[1]) for p in pairs)) if pairs else None
    learnt, fixed = sum(r.learnt for r in rows), sum(r.fixed for r in rows)
    views = {row.layer: row.view for row in rows if row.view is not None}
    return Totals(len({row.layer for row in rows}), len(layers), learnt, fixed,
                  sum(r.multiply_adds for r in rows), sum(r.bytes for r in rows),
                  FLOAT * (learnt + fixed), largest('field'), largest('stride'), views)


def as_dict(rows: Sequence[Row]) -> dict[str, Any]:
    """Return rows and totals as plain numbers, for JSON."""
    def plain(row: Row) -> dict[str, Any]:
        place = row.place and {key: [float(v) for v in pair]
                               for key, pair in asdict(row.place).items()}
        return asdict(row) | {'shape': row.shape and list(row.shape), 'place': place}
    return {'layers': [plain(row) for row in rows], 'totals': asdict(totals(rows))}


# -- the table -------------------------------------------------------------------------------------

def table(rows: Sequence[Row]) -> str:
    """Return the table as text, the totals below it."""
    heads = ('layer', 'type', 'top', 'shape', 'parameters', 'mult-adds', 'memory', 'field',
             'stride', 'offset')
    cells = [(r.layer, r.type, r.top, _dims(r.shape), _count(r.learnt + r.fixed),
              _count(r.multiply_adds), _size(r.bytes),
              *(('', '', '') if r.place is None else
                (_both(v) for v in (r.place.field, r.place.stride, r.place.offset))))
             for r in rows]
    widths = [max(len(row[i]) for row in [heads, *cells]) for i in range(len(heads))]
    left = (0, 1, 2)
    lines = ['  '.join(c.ljust(w) if i in left else c.rjust(w)
                       for i, (c, w) in enumerate(zip(row, widths, strict=True))).rstrip()
             for row in [heads, *cells]]
    return '\n'.join([lines[0], '-' * max(map(len, lines)), *lines[1:], '', sums(totals(rows))])


def sums(t: Totals) -> str:
    """Return the totals as a few lines."""
    lines = [f'{t.layers:,} layers, {t.parameter_layers} parameter layers, '
             f'{t.learnt:,} parameters learnt'
             + (f', {t.fixed:,} fixed' if t.fixed else ''),
             f'{_count(t.multiply_adds) or 0} multiply-adds, {_size(t.activation_bytes)} of '
             f'activations, {_size(t.parameter_bytes)} of parameters']
    if t.receptive_field and t.stride:
        lines.append(f'receptive field {_both(t.receptive_field)}, stride {_both(t.stride)}')
    if t.views:
        lines.append("field of view as DeepLab's papers count it, 8 (k - 1) r + 32: "
                     + ', '.join(f'{layer} {view}' for layer, view in t.views.items()))
    return '\n'.join(lines)


def _dims(shape: MaybeShape) -> str:
    if shape is None:
        return 'unknown'
    return ' x '.join('?' if dim is None else str(dim) for dim in shape)


def _both(pair: Sequence[Fraction | int]) -> str:
    one, other = (f'{float(v):g}' for v in pair)
    return one if one == other else f'{one} x {other}'


def _count(number: int) -> str:
    for unit, letter in ((10 ** 9, 'G'), (10 ** 6, 'M'), (10 ** 3, 'k')):
        if number >= unit:
            return f'{number / unit:.2f} {letter}'
    return str(number) if number else ''


def _size(number: int) -> str:
    for unit, letters in ((2 ** 30, 'GiB'), (2 ** 20, 'MiB'), (2 ** 10, 'KiB')):
        if number >= unit:
            return f'{number / unit:.1f} {letters}'
    return f'{number} B' if number else ''
