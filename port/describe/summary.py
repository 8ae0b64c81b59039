"""What a net consists of: shapes, parameters, multiply-adds, memory, and where each top lies on the
data (Long et al. 2015, table 1: parameter layers, parameters, receptive field, stride).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from fractions import Fraction
from math import prod

from netspec.coord_map import CoordMap, UndefinedMapException, inverse
from netspec.layer_params import Param
from netspec.schema.messages import LayerParameter, NetParameter
from port.engine.net import Net, load_net
from port.engine.wiring import Node

FLOAT = 4                                    # bytes
GIVEN = ('Input', 'DummyData', 'Parameter')  # layers without bottoms that need nothing outside
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

    learnt, fixed: parameters with a learning rate and without. place: None where it has none.
    view: a classifier's field of view as DeepLab's papers count it (see `_view`).
    """

    layer: str
    type: str
    top: str
    shape: tuple[int, ...]
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


# -- the net ---------------------------------------------------------------------------------------

def load(source: NetParameter | str, phase: int, size: tuple[int, int] | None = None) -> Net:
    """Build a net for looking at: data layers become Input layers, images of `size`.

    Without a size, nets with Input layers keep theirs and data layers give what they crop, or
    500 x 500.
    """
    param, entries = load_net(source)
    labels = {layer.bottom[i] for layer in param.layer for i in range(1, len(layer.bottom))
              if 'Loss' in layer.type or layer.type in ('Accuracy', 'SegAccuracy')}
    for entry in entries:
        layer = entry.param
        if not layer.bottom and layer.type not in GIVEN:
            _become_input(layer, labels, size or _crop(layer) or (500, 500))
    net = Net((param, entries), phase)
    if size:
        for name in net.inputs:
            shape = net.blobs[name].shape
            net.blobs[name].reshape(*(shape[:2] + size if len(shape) == 4 else shape))
        net.reshape()
    return net


def _crop(layer: LayerParameter) -> tuple[int, int] | None:
    """Return the size that a data layer crops images to, if any."""
    given = layer.transform_param
    size = (given.crop_height or given.crop_size, given.crop_width or given.crop_size)
    return size if all(size) else None


def _become_input(layer: LayerParameter, labels: set[str], size: tuple[int, int]) -> None:
    """Turn a data layer into an Input layer with an image or a label for each top."""
    layer.type = 'Input'
    for field in [f.name for f, _ in layer.ListFields()]:
        if field.endswith('_param') or field == 'transform_param':
            layer.ClearField(field)
    for top in layer.top:
        if top == 'data_dim':
            layer.input_param.shape.add(dim=[1, 1, 1, 2])
            continue
        channels = 1 if top in labels or top in ('label', 'depth') else 3
        layer.input_param.shape.add(dim=[1, channels, *size])


# -- rows ------------------------------------------------------------------------------------------

def summarize(net: Net) -> list[Row]:
    """Return a row for each top, in running order; automatic splits are left out."""
    places: dict[int, Place | None] = {}
    rows, counted = [], set()
    for node in net.nodes:
        place = _place(node, [places.get(id(b)) for b in node.bottom])
        places.update((id(b), place) for b in node.top)
        if node.entry.auto_split:
            continue
        learnt, fixed = _parameters(net, node, counted)
        for i, blob in enumerate(node.top or [None]):
            first = i == 0
            rows.append(Row(
                node.name, node.layer.type, blob.name if blob else '', blob.shape if blob else (),
                learnt * first, fixed * first, multiply_adds(node) * first,
                _bytes(node, i) if blob else 0, place,
                _view(node, places.get(id(node.bottom[0]))) if first and node.bottom else None))
    return rows


def _parameters(net: Net, node: Node, counted: set[int]) -> tuple[int, int]:
    """Return how many parameters are learnt and not; shared ones count where they come first."""
    numbers = [0, 0]
    for i, blob in enumerate(node.layer.blobs):
        row = net.param_owner[node.name, i]
        if id(row) not in counted:
            counted.add(id(row))
            numbers[row.lr_mult == 0] += prod(blob.shape)
    return numbers[0], numbers[1]


def _bytes(node: Node, index: int) -> int:
    """Return the memory that a top takes of its own."""
    top = node.top[index]
    if node.layer.facts.shares_memory or any(top is b for b in node.bottom):
        return 0
    return FLOAT * prod(top.shape)


def multiply_adds(node: Node) -> int:
    """Return the products that the layer's weights take part in (0 for layers without any).

    Convolution: outputs times the weights of one; Deconvolution: the same the other way round.
    """
    params = [Param(blob.shape) for blob in node.layer.blobs]
    return node.layer.facts.products([b.shape for b in node.bottom], [t.shape for t in node.top],
                                   params) or 0


# -- places ----------------------------------------------------------------------------------------

def _place(node: Node, below: list[Place | None]) -> Place | None:
    """Return where the tops lie, from where the bottoms do."""
    if not node.bottom:
        return START if node.top and len(node.top[0].shape) == 4 else None
    first = below[0]
    if first is None or len(node.bottom[0].shape) != 4:
        return None
    row, param = node.layer.facts, node.entry.param
    try:
        way = row.coords(param, [blob.shape for blob in node.bottom])
    except UndefinedMapException:
        return None
    read = [p for i, p in enumerate(below) if p and i != row.size_bottom]
    field = _pair(max(p.field[i] for p in read) for i in (0, 1))
    reach = _pair(n * s for n, s in zip(row.reach(param), first.stride, strict=True))
    scale, shift = _pairs(inverse(way))
    return Place(
        _pair(s * a for s, a in zip(first.stride, scale, strict=True)),
        _pair(s * b + o for s, b, o in zip(first.stride, shift, first.offset, strict=True)),
        _pair(f + r for f, r in zip(field, reach, strict=True)))


def _view(node: Node, below: Place | None) -> int | None:
    """Return 8 (k - 1) r + 32 for DeepLab's fc6, of k x k taps at rate r over strides of 8.

    So the papers count (1412.7062, table 2): 224 where VGG16 saw 7 x 7 places 32 apart. What a
    value depends on in truth is `Place.field`.
    """
    layer = node.layer
    if layer.type != 'Convolution' or not node.name.startswith('fc6') or below is None \
            or set(below.stride) != {8}:
        return None
    return 8 * (max(layer.window.extent) - 1) + 32


def _pair(values) -> Pair:
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


def as_dict(rows: Sequence[Row]) -> dict:
    """Return rows and totals as plain numbers, for JSON."""
    def plain(row: Row) -> dict:
        place = row.place and {key: [float(v) for v in pair]
                               for key, pair in asdict(row.place).items()}
        return asdict(row) | {'shape': list(row.shape), 'place': place}
    return {'layers': [plain(row) for row in rows], 'totals': asdict(totals(rows))}


# -- the table -------------------------------------------------------------------------------------

def table(rows: Sequence[Row]) -> str:
    """Return the table as text, the totals below it."""
    heads = ('layer', 'type', 'top', 'shape', 'parameters', 'mult-adds', 'memory', 'field',
             'stride', 'offset')
    cells = [(r.layer, r.type, r.top, ' x '.join(map(str, r.shape)), _count(r.learnt + r.fixed),
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


def _both(pair: Sequence) -> str:
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
