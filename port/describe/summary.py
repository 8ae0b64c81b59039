"""What a net consists of: shapes, parameters, multiply-adds, memory, and where each top lies on the
data (Long et al. 2015, table 1: parameter layers, parameters, receptive field, stride).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path
from typing import Any

from netspec.families.fcn import TRUNKS
from netspec.layer_shapes import MaybeShape, known_prod
from netspec.layer_types import layer_type
from netspec.named_net import find_net
from netspec.schema.messages import TEST, NetParameter, ParamSpec
from netspec.variants import Variant
from port.describe.alignment import misaligned
from port.describe.net_shapes import ShapedLayer, ShapedNet, shaped_net
from port.describe.places import Pair, Place, both, known_shapes, places_of
from port.engine.net import Net

FLOAT = 4                                    # bytes


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
    """Sums over a net. receptive_field: the scores', the largest of a learnt layer that does not
    enlarge its bottom. stride: that of the last such layer.

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
    stride: Pair | None
    views: dict[str, int]


def summary(net: Net | NetParameter | Variant | str | PathLike[str],
            size: tuple[int, int] | None = None) -> str:
    """Return what a net consists of as a table: print(port.summary('voc-fcn8s')).

    net: what names a net (netspec.named_net), whose deploy net is taken; its message; or a Net.
    size: height and width of the image, in place of the net's own. Nothing is computed, and no
    memory taken, however large the net.
    """
    row = None
    if isinstance(net, Net):
        source: NetParameter | Path = NetParameter(layer=[entry.param for entry in net.entries])
        phase = net.phase
    else:
        phase = TEST
        if isinstance(net, NetParameter):
            source = net
        else:
            named = find_net(net)
            source, row = named.deploy(), named.row
    return report(shaped_net(source, phase, size), row)


# -- rows ------------------------------------------------------------------------------------------

def summarize(net: ShapedNet) -> list[Row]:
    """Return a row for each top, in running order."""
    rates = _Rates(net)
    rows: list[Row] = []
    for layer, (below, place) in zip(net.layers, places_of(net), strict=True):
        learnt, fixed = rates.count(layer)
        shapes: list[MaybeShape] = list(layer.top_shapes) or [()]
        for i, (top, shape) in enumerate(zip(layer.tops or [''], shapes, strict=True)):
            first = i == 0
            rows.append(Row(
                layer.name, layer.type, top, shape, learnt * first, fixed * first,
                multiply_adds(layer) * first, _bytes(layer, shape) if top else 0, place,
                _view(layer, below[0]) if first and below else None))
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


def _view(layer: ShapedLayer, below: Place | None) -> int | None:
    """Return 8 (k - 1) r + 32 for DeepLab's fc6, of k x k taps at rate r over strides of 8.

    So the papers count (1412.7062, table 2): 224 where VGG16 saw 7 x 7 places 32 apart. What a
    value depends on in truth is `Place.field`.
    """
    if layer.type != 'Convolution' or not layer.name.startswith('fc6') or below is None \
            or set(below.stride) != {8}:
        return None
    return 8 * max(layer.facts.reach(layer.param)) + 32


# -- sums ------------------------------------------------------------------------------------------

def totals(rows: Sequence[Row]) -> Totals:
    """Return the sums over a net."""
    layers = [row for row in rows if row.learnt]
    places = [row.place for row in layers if row.place and layer_type(row.type).kind != 'up']
    field = [max(int(place.field[i]) for place in places) for i in (0, 1)] if places else []
    learnt, fixed = sum(r.learnt for r in rows), sum(r.fixed for r in rows)
    views = {row.layer: row.view for row in rows if row.view is not None}
    return Totals(len({row.layer for row in rows}), len(layers), learnt, fixed,
                  sum(r.multiply_adds for r in rows), sum(r.bytes for r in rows),
                  FLOAT * (learnt + fixed), (field[0], field[1]) if field else None,
                  places[-1].stride if places else None, views)


def as_dict(net: ShapedNet) -> dict[str, Any]:
    """Return rows, totals and warnings as plain numbers and text, for JSON."""
    def plain(row: Row) -> dict[str, Any]:
        place = row.place and {key: [float(v) for v in pair]
                               for key, pair in asdict(row.place).items()}
        return asdict(row) | {'shape': row.shape and list(row.shape), 'place': place}
    rows = summarize(net)
    sums = totals(rows)
    stride = sums.stride and [float(v) for v in sums.stride]
    return {'layers': [plain(row) for row in rows], 'totals': asdict(sums) | {'stride': stride},
            'warnings': misaligned(net)}


# -- the table -------------------------------------------------------------------------------------

def report(net: ShapedNet, row: Variant | None = None) -> str:
    """Return the table, the totals, and a warning for each join of tops that lie apart.

    row: of the net, where it is one of the table.
    """
    rows = summarize(net)
    return '\n'.join([table(rows), *discarded(row, totals(rows)),
                      *(f'warning: {warning}' for warning in misaligned(net))])


def discarded(row: Variant | None, t: Totals) -> list[str]:
    """Return the receptive field with a pooling that the classifier has and the FCN discards,
    where the papers' figure counts it (FCN, table 1: 907 for GoogLeNet), as a line.
    """
    trunk = TRUNKS.get(row.trunk) if row else None
    if trunk is None or not trunk.discarded or not t.receptive_field or not t.stride:
        return []
    side = trunk.discarded
    fields = [Fraction(field) + (side - 1) * stride
              for field, stride in zip(t.receptive_field, t.stride, strict=True)]
    return [f'receptive field with the pooling of {side}x{side} that this net discards, as '
            f'published: {both((fields[0], fields[1]))}']


def table(rows: Sequence[Row]) -> str:
    """Return the table as text, the totals below it."""
    heads = ('layer', 'type', 'top', 'shape', 'parameters', 'mult-adds', 'memory', 'field',
             'stride', 'offset')
    cells = [(r.layer, r.type, r.top, _dims(r.shape), _count(r.learnt + r.fixed),
              _count(r.multiply_adds), _size(r.bytes),
              *(('', '', '') if r.place is None else
                (both(v) for v in (r.place.field, r.place.stride, r.place.offset))))
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
        lines.append(f'receptive field of the scores {both(t.receptive_field)}, '
                     f'final stride {both(t.stride)}')
    if t.views:
        lines.append("field of view as DeepLab's papers count it, 8 (k - 1) r + 32: "
                     + ', '.join(f'{layer} {view}' for layer, view in t.views.items()))
    return '\n'.join(lines)


def _dims(shape: MaybeShape) -> str:
    if shape is None:
        return 'unknown'
    return ' x '.join('?' if dim is None else str(dim) for dim in shape)


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
