"""The shapes of a layer's tops from those of its bottoms, without running it: Layer::Reshape of
Caffe, one small rule for each way to get them. netspec.layer_types says which type has which.

A rule takes the layer's message and a shape for each bottom, and returns one for each top. A
dimension that the prototxt leaves open (a data layer's height) is None. ValueError where Caffe
refuses the shapes, naming the bottom, what it has and what is expected.
"""

from collections.abc import Callable, Sequence
from math import prod

from netspec.schema.messages import ConcatParameter, LayerParameter, SliceParameter
from netspec.window import Dim

Shape = tuple[Dim, ...]
MaybeShape = Shape | None               # None: the whole shape is not known
ShapeRule = Callable[[LayerParameter, list[Shape]], list[Shape]]

# What the published data layers call their tops; all else that is read is an image of 3 channels.
CHANNELS = {'depth': 1, 'label': 1, 'sem': 1, 'geo': 1, 'data_dim': 1}


def known_prod(dims: Sequence[Dim]) -> Dim:
    """Multiply dimensions; None where one is open."""
    numbers = [dim for dim in dims if dim is not None]
    return prod(numbers) if len(numbers) == len(dims) else None


def known_sum(dims: Sequence[Dim]) -> Dim:
    """Add dimensions; None where one is open."""
    numbers = [dim for dim in dims if dim is not None]
    return sum(numbers) if len(numbers) == len(dims) else None


def canonical(axis: int, axes: int, what: str = 'axis') -> int:
    """Return a possibly negative axis as 0..axes-1 (Caffe's CanonicalAxisIndex)."""
    if not -axes <= axis < axes:
        raise ValueError(f'{what} {axis} is out of range; expected {-axes} to {axes - 1} '
                         f'for a blob of {axes} axes')
    return axis % axes


def named(layer: LayerParameter, bottoms: list[Shape], index: int) -> str:
    """Return a bottom's name and shape as an error shows them."""
    name = layer.bottom[index] if index < len(layer.bottom) else f'bottom {index}'
    return f'{name!r} {list(bottoms[index])}'


def four_axes(layer: LayerParameter, bottoms: list[Shape]) -> Shape:
    """Return the first bottom's shape, N x C x H x W; ValueError if it has another form."""
    if len(bottoms[0]) != 4:
        raise ValueError(f'bottom {named(layer, bottoms, 0)} must have 4 axes: num, channels, '
                         'height, width')
    return bottoms[0]


def agree(a: Shape, b: Shape) -> bool:
    """Whether two shapes may be the same: an open dimension may be anything."""
    return len(a) == len(b) and all(x is None or y is None or x == y
                                    for x, y in zip(a, b, strict=True))


def _with(shape: Shape, axis: int, size: Dim) -> Shape:
    return (*shape[:axis], size, *shape[axis + 1:])


# -- nothing changes, or nothing is left --------------------------------------------------------

def same(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Every top has the first bottom's shape."""
    return [bottoms[0]] * len(layer.top)


def alike(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """All bottoms have one shape, and the top has it too."""
    for i in range(1, len(bottoms)):
        if not agree(bottoms[i], bottoms[0]):
            raise ValueError(f'bottoms {named(layer, bottoms, 0)} and {named(layer, bottoms, i)} '
                             'must have the same shape')
    return [bottoms[0]]


def same_image(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The top has the bottom's shape, which must be N x C x H x W."""
    return [four_axes(layer, bottoms)]


def none(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """There are no tops."""
    return []


def loss(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """A number, whether the prototxt names its top or not; a second top has the scores' shape."""
    if len(bottoms) > 1 and not agree(bottoms[0][:1], bottoms[1][:1]):
        raise ValueError(f'{named(layer, bottoms, 0)} and {named(layer, bottoms, 1)} must have '
                         'the same first dimension')
    return [(), bottoms[0]][:max(1, len(layer.top))]


def accuracy(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """A number, then one for each class."""
    axis = canonical(layer.accuracy_param.axis, len(bottoms[0]))
    return [(), (bottoms[0][axis],)][:len(layer.top)]


# -- what is read -------------------------------------------------------------------------------

def images(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """What a data layer reads follows from its data: images of some size, and labels."""
    return [(None, CHANNELS.get(top, 3), None, None) for top in layer.top]


def declared(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Input: no shape yet, one for all tops, or one for each."""
    dims: list[Shape] = [tuple(shape.dim) for shape in layer.input_param.shape]
    if len(dims) not in (0, 1, len(layer.top)):
        raise ValueError(f'input_param has {len(dims)} shapes for {len(layer.top)} top(s); '
                         'expected none, one for all, or one for each top')
    return dims if len(dims) > 1 else (dims or [()]) * len(layer.top)


def dummy_data(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """DummyData: shapes, or num, channels, height and width; one for all tops, or one each."""
    param, legacy = layer.dummy_data_param, ('num', 'channels', 'height', 'width')
    if not any(len(getattr(param, field)) for field in legacy):
        return [tuple(shape.dim) for shape in _one_each(layer, 'shape', param.shape)]
    if param.shape:
        raise ValueError('dummy_data_param gives both shape and the old num, channels, '
                         'height, width; expected one of them')
    return list(zip(*(_one_each(layer, field, getattr(param, field)) for field in legacy),
                    strict=True))


def _one_each(layer: LayerParameter, field: str, given: Sequence) -> list:
    """Return what is given for each top, or once for all."""
    if len(given) not in (1, len(layer.top)):
        raise ValueError(f'dummy_data_param gives {field} {len(given)} time(s) for '
                         f'{len(layer.top)} top(s); expected once for all, or once for each top')
    return list(given) * (len(layer.top) if len(given) == 1 else 1)


def memory_data(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Items, their labels (before the first pass), and DeepLab's sizes of what counts of each."""
    p = layer.memory_data_param
    shapes: list[Shape] = [(p.batch_size, p.channels, p.height, p.width), (p.batch_size,),
                           (p.batch_size, 1, 1, 2)]
    return shapes[:len(layer.top)]


def parameter(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The shape that is written."""
    return [tuple(layer.parameter_param.shape.dim)]


# -- axes ---------------------------------------------------------------------------------------

def concat(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The sizes along one axis add up; the others agree."""
    param, first = layer.concat_param, bottoms[0]
    axis = axis_or_dim(param, 'concat_dim', len(first))
    for i, shape in enumerate(bottoms):
        if len(shape) != len(first) or not agree(_with(shape, axis, first[axis]), first):
            raise ValueError(f'bottom {layer.bottom[i]!r} has shape {list(shape)}; expected that '
                             f'of {layer.bottom[0]!r}, {list(first)}, except on the concatenated '
                             f'axis {axis}')
    return [_with(first, axis, known_sum([shape[axis] for shape in bottoms]))]


def axis_or_dim(param: ConcatParameter | SliceParameter, old: str, axes: int) -> int:
    """Return the axis that Concat or Slice works along: `axis`, or the old concat_dim."""
    if not param.HasField(old):
        return canonical(param.axis, axes)
    if getattr(param, old) >= axes:
        raise ValueError(f'{old} {getattr(param, old)} is out of range; expected 0 to {axes - 1} '
                         f'for a blob of {axes} axes')
    return getattr(param, old)


def cut(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Slice: at the slice points, or into equal parts."""
    param, shape, count = layer.slice_param, bottoms[0], len(layer.top)
    axis = axis_or_dim(param, 'slice_dim', len(shape))
    whole, points = shape[axis], list(param.slice_point)
    if points and len(points) != count - 1:
        raise ValueError(f'{len(points)} slice_point(s) for {count} tops; expected {count - 1}')
    if not points:
        if whole is not None and whole % count:
            raise ValueError(f'{count} tops cannot evenly divide the {whole} of axis {axis}; give '
                             'slice_point')
        return [_with(shape, axis, None if whole is None else whole // count)] * count
    sizes = [b - a for a, b in zip([0, *points], points, strict=False)]
    last = None if whole is None else whole - points[-1]
    if min(sizes) <= 0 or last is not None and (last < 0 or count > (whole or 0)):
        raise ValueError(f'slice_point {points} must rise from above 0 and stay within the '
                         f'{whole} of axis {axis}')
    return [_with(shape, axis, size) for size in (*sizes, last)]


def crop(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """From `axis` on the second bottom's sizes, which must lie within the first one's."""
    param, (shape, like) = layer.crop_param, bottoms
    axis, offsets = canonical(param.axis, len(shape)), list(param.offset) or [0]
    if len(like) < len(shape):
        raise ValueError(f'{named(layer, bottoms, 1)} has fewer axes than '
                         f'{named(layer, bottoms, 0)}, which it is to give the size')
    if len(offsets) not in (1, len(shape) - axis):
        raise ValueError(f'offset is given {len(offsets)} times; expected once, or once for '
                         f'each of the {len(shape) - axis} axes from axis {param.axis} on')
    for i, start in enumerate(offsets * (len(shape) - axis if len(offsets) == 1 else 1), axis):
        have, size = shape[i], like[i]
        if have is not None and size is not None and start + size > have:
            raise ValueError(f'axis {i}: offset {start} and size {size} of '
                             f'{named(layer, bottoms, 1)} reach past the {have} of '
                             f'{named(layer, bottoms, 0)}')
    return [(*shape[:axis], *like[axis:len(shape)])]


def inner_product(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Everything from `axis` on becomes num_output numbers."""
    param = layer.inner_product_param
    return [(*bottoms[0][:canonical(param.axis, len(bottoms[0]))], param.num_output)]


def embed(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Each number becomes num_output numbers."""
    return [(*bottoms[0], layer.embed_param.num_output)]


def flatten(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The axes from `axis` to `end_axis` become one."""
    param, shape = layer.flatten_param, bottoms[0]
    first = canonical(param.axis, len(shape))
    last = canonical(param.end_axis, len(shape), 'end_axis')
    if first > last + 1:
        raise ValueError(f'axis {param.axis} comes after end_axis {param.end_axis} in bottom '
                         f'{named(layer, bottoms, 0)}')
    return [(*shape[:first], known_prod(shape[first:last + 1]), *shape[last + 1:])]


def reshape(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The axes that are replaced hold as many values as before; 0 copies a size, -1 is the rest."""
    dims, shape = list(layer.reshape_param.shape.dim), bottoms[0]
    first, last = _replaced(layer, len(shape))
    late = [i for i, dim in enumerate(dims) if dim == 0 and first + i >= len(shape)]
    if late:
        raise ValueError(f'shape {dims} has a 0 (copy) for axis {first + late[0]}, but the bottom '
                         f'{list(shape)} has no such axis')
    new: list[Dim] = [shape[first + i] if dim == 0 else dim for i, dim in enumerate(dims)]
    whole = known_prod(shape)
    given = known_prod([*shape[:first], *(dim for dim in new if dim != -1), *shape[last:]])
    if -1 in new:
        if whole is not None and given is not None and (given == 0 or whole % given):
            raise ValueError(f'shape {dims} cannot be filled: the count {whole} of bottom '
                             f'{named(layer, bottoms, 0)} is not a multiple of {given}, the '
                             'product of the given sizes')
        part = known_prod(shape[first:last])
        rest = known_prod([dim for dim in new if dim != -1])
        new[new.index(-1)] = None if part is None or not rest else part // rest
    elif whole is not None and given is not None and whole != given:
        raise ValueError(f'the new shape {[*shape[:first], *new, *shape[last:]]} holds {given} '
                         f'values; bottom {named(layer, bottoms, 0)} has {whole}')
    return [(*shape[:first], *new, *shape[last:])]


def _replaced(layer: LayerParameter, axes: int) -> tuple[int, int]:
    """Return the range of the bottom's axes that a Reshape replaces."""
    param = layer.reshape_param
    start = param.axis if param.axis >= 0 else axes + param.axis + 1
    if not 0 <= start <= axes:
        raise ValueError(f'axis {param.axis} is out of range; expected {-axes - 1} to {axes} '
                         f'for a blob of {axes} axes')
    if param.num_axes < -1:
        raise ValueError(f'num_axes is {param.num_axes}; expected 0 or more, or -1 for all')
    end = axes if param.num_axes == -1 else start + param.num_axes
    if end > axes:
        raise ValueError(f'axis {start} + num_axes {param.num_axes} reach past the {axes} '
                         'axes of the bottom')
    return start, end


def reduction(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The axes from `axis` on become one number."""
    return [bottoms[0][:canonical(layer.reduction_param.axis, len(bottoms[0]))]]


def tile(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """One axis is so many times as long."""
    param, shape = layer.tile_param, bottoms[0]
    if not param.HasField('tiles') or param.tiles <= 0:
        raise ValueError(f'tile_param gives tiles {param.tiles}; expected 1 or more')
    axis = canonical(param.axis, len(shape))
    return [_with(shape, axis, known_prod([shape[axis], param.tiles]))]


def argmax(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """top_k on the axis compared; without one N x 1 x top_k, or N x 2 x top_k with the values."""
    param, shape = layer.argmax_param, bottoms[0]
    if param.HasField('axis'):
        return [_with(shape, canonical(param.axis, len(shape)), param.top_k)]
    return [(shape[0], 2 if param.out_max_val else 1, param.top_k, *[1] * (len(shape) - 3))]


def mvn(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The top has 4 axes whatever the bottom has."""
    if len(bottoms[0]) > 4:
        raise ValueError(f'bottom {layer.bottom[0]!r} has shape {list(bottoms[0])}; expected at '
                         'most 4 axes')
    return [(*bottoms[0], *[1] * (4 - len(bottoms[0])))]


def bn(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """SegNet's BN: the bottom's shape; tops 1 and 2 are each channel's mean and variance."""
    shape = four_axes(layer, bottoms)
    return [shape, *[(1, shape[1], 1, 1)] * (len(layer.top) - 1)]


# -- items of a batch, sequences ----------------------------------------------------------------

def batch_reindex(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """As many items as the second bottom has indices."""
    if len(bottoms[1]) != 1:
        raise ValueError(f'the index {layer.bottom[1]!r} has shape {list(bottoms[1])}; expected '
                         'one axis')
    if not bottoms[0]:
        raise ValueError(f'{layer.bottom[0]!r} has no axis; expected items along its first')
    return [(*bottoms[1], *bottoms[0][1:])]


def kept(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Filter, before its first pass: all items; then those that the last bottom chooses."""
    return bottoms[:-1]


def recurrent(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """RNN, LSTM: steps x streams x num_output, then the exposed states of one step."""
    steps, streams = bottoms[0][:2]
    width = layer.recurrent_param.num_output
    return [(steps, streams, width), *[(1, streams, width)] * (len(layer.top) - 1)]


# -- DeepLab's labels ---------------------------------------------------------------------------

def seg_accuracy(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Pixel accuracy, mean recall, mean Jaccard index."""
    return [(1, 1, 1, 3)]


def unique_label(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """So many labels of each image."""
    return [(bottoms[0][0], layer.unique_label_param.max_labels, 1, 1)]
