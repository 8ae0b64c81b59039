"""The shapes of tops without running a net: one rule a layer type (Caffe: Layer::Reshape).

A dimension that the prototxt leaves open (a data layer's height) is None, and so is a whole shape
that no rule gives. Enough for the sizes of parameters; port.Net knows every shape.
"""

from collections.abc import Callable, Sequence
from math import prod

from google.protobuf.message import Message

from netspec.schema.messages import InterpParameter, LayerParameter, PoolingParameter

Dim = int | None
Shape = tuple[Dim, ...] | None
Rule = Callable[[LayerParameter, list[Shape]], list[Shape]]

# What the published data layers call their tops; all else that is read is an image of 3 channels.
CHANNELS = {'depth': 1, 'label': 1, 'sem': 1, 'geo': 1, 'data_dim': 1}
SAME = ('AbsVal', 'AdaptiveBiasChannel', 'BatchNorm', 'Bias', 'BiasChannel', 'BN', 'BNLL', 'Clip',
        'Dropout', 'Eltwise', 'ELU', 'Exp', 'Log', 'LRN', 'Power', 'PReLU', 'ReLU', 'Scale',
        'Sigmoid', 'Softmax', 'Split', 'Swish', 'TanH', 'Threshold')


def top_shapes(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Return a shape for each top of a layer, given those of its bottoms."""
    if layer.type in RULES and (bottoms or layer.type in ('Input', 'DummyData')):
        if None in bottoms:
            return [None] * len(layer.top)
        return RULES[layer.type](layer, bottoms)
    if not bottoms:
        return [(None, CHANNELS.get(top, 3), None, None) for top in layer.top]
    return [None] * len(layer.top)


def spatial(param: Message, name: str, axes: int, default: int) -> list[int]:
    """Return a kernel_size, stride, pad or dilation for each spatial axis, whichever way given."""
    short = {'kernel_size': 'kernel'}.get(name, name)
    sides = [f'{short}_h', f'{short}_w']
    if any(side in param.DESCRIPTOR.fields_by_name and param.HasField(side) for side in sides):
        return [getattr(param, side) for side in sides]
    value = getattr(param, name)
    values = [value] if isinstance(value, int) else list(value)
    values = values or [default]
    return values * axes if len(values) == 1 else values


def _convolution(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Convolution: (n + 2p - (d (k - 1) + 1)) // s + 1; Deconvolution: its inverse."""
    param = layer.convolution_param
    axis = param.axis % len(bottoms[0])
    size = bottoms[0][axis + 1:]
    window = [spatial(param, name, len(size), default) for name, default in
              (('kernel_size', 1), ('stride', 1), ('pad', 0), ('dilation', 1))]
    forward = layer.type == 'Convolution'
    out = [n if n is None else
           (n + 2 * p - d * (k - 1) - 1) // s + 1 if forward else
           s * (n - 1) + d * (k - 1) + 1 - 2 * p
           for n, k, s, p, d in zip(size, *window, strict=True)]
    return [(*shape[:axis], param.num_output, *out) for shape in bottoms]


def _pooling(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Pooling: rounded up, and the last window must begin inside the image or its left padding."""
    param = layer.pooling_param
    size = bottoms[0][2:]
    if param.global_pooling:
        return [(*bottoms[0][:2], *(1 for _ in size))] * len(layer.top)
    window = [spatial(param, name, len(size), default) for name, default in
              (('kernel_size', 1), ('stride', 1), ('pad', 0))]
    up = param.round_mode == PoolingParameter.CEIL
    out = []
    for n, k, s, p in zip(size, *window, strict=True):
        if n is not None:
            windows = (n + 2 * p - k + (s - 1 if up else 0)) // s + 1
            n = windows - 1 if p and (windows - 1) * s >= n + p else windows
        out.append(n)
    return [(*bottoms[0][:2], *out)] * len(layer.top)


def _upsample(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """SegNet's Upsample: the size given, or scale times the bottom less the padding."""
    param, size = layer.upsample_param, bottoms[0][2:]
    if param.HasField('upsample_h'):
        return [(*bottoms[0][:2], param.upsample_h, param.upsample_w)]
    sides = param.HasField('scale_h')
    scales = (param.scale_h, param.scale_w) if sides else (param.scale,) * 2
    out = [n if n is None else n * s - less for n, s, less in
           zip(size, scales, (param.pad_out_h, param.pad_out_w), strict=True)]
    return [(*bottoms[0][:2], *out)]


def interp_size(param: InterpParameter, size: int, fixed: int) -> int:
    """Return what DeepLab's Interp makes of an axis: shrunk, then zoomed, or `fixed`.

    size: after pad_beg and pad_end. shrink: (n - 1) / s + 1, rounded down; zoom:
    n + (n - 1) (z - 1). One factor alone comes before height and width, both after.
    """
    shrink, zoom = param.HasField('shrink_factor'), param.HasField('zoom_factor')
    if param.HasField('height') and param.HasField('width') and shrink == zoom:
        return fixed
    if shrink:
        size = (size - 1) // param.shrink_factor + 1
    return size + (size - 1) * (param.zoom_factor - 1) if zoom else size


def _interp(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param, shape = layer.interp_param, bottoms[0]
    given = param.HasField('height') and param.HasField('width') and \
        param.HasField('shrink_factor') == param.HasField('zoom_factor')
    out = [fixed if given else None if n is None else
           interp_size(param, n + param.pad_beg + param.pad_end, fixed)
           for n, fixed in zip(shape[2:], (param.height, param.width), strict=True)]
    return [(*shape[:2], *out)]


def _padding(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param, shape = layer.padding_param, bottoms[0]
    return [(*shape[:2], *(n if n is None else n + param.pad_beg + param.pad_end
                           for n in shape[2:]))]


def _concat(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param = layer.concat_param
    axis = param.concat_dim if param.HasField('concat_dim') else param.axis % len(bottoms[0])
    sizes = [shape[axis] for shape in bottoms]
    return [_with(bottoms[0], axis, None if None in sizes else sum(sizes))]


def _slice(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param, shape = layer.slice_param, bottoms[0]
    axis = param.slice_dim if param.HasField('slice_dim') else param.axis % len(shape)
    count = len(layer.top)
    if param.slice_point:
        ends = [*param.slice_point, shape[axis]]
        sizes = [None if b is None else b - a
                 for a, b in zip([0, *param.slice_point], ends, strict=True)]
    else:
        sizes = [None if shape[axis] is None else shape[axis] // count] * count
    return [_with(shape, axis, size) for size in sizes]


def _crop(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    axis = layer.crop_param.axis % len(bottoms[0])
    return [(*bottoms[0][:axis], *bottoms[1][axis:])]


def _inner_product(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param = layer.inner_product_param
    return [(*bottoms[0][:param.axis % len(bottoms[0])], param.num_output)]


def _flatten(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param, shape = layer.flatten_param, bottoms[0]
    first, last = param.axis % len(shape), param.end_axis % len(shape)
    return [(*shape[:first], known_prod(shape[first:last + 1]), *shape[last + 1:])]


def _reshape(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    param, shape = layer.reshape_param, bottoms[0]
    first = param.axis % (len(shape) + 1)
    last = len(shape) if param.num_axes == -1 else first + param.num_axes
    dims = [shape[first + i] if dim == 0 else dim for i, dim in enumerate(param.shape.dim)]
    if -1 in dims:
        rest = known_prod([dim for dim in dims if dim != -1])
        whole = known_prod(shape[first:last])
        dims[dims.index(-1)] = None if None in (rest, whole) else whole // rest
    return [(*shape[:first], *dims, *shape[last:])]


def _dummy_data(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """DummyData: shapes, or num, channels, height and width; one for all tops, or one each."""
    param = layer.dummy_data_param
    old = zip(param.num, param.channels, param.height, param.width, strict=True)
    return _declared(layer, [tuple(shape.dim) for shape in param.shape] or list(old))


def known_prod(dims: Sequence[Dim]) -> Dim:
    """Multiply dimensions; None where one is open."""
    return None if None in dims else prod(dims)


def _with(shape: Shape, axis: int, size: Dim) -> Shape:
    return (*shape[:axis], size, *shape[axis:][1:])


RULES: dict[str, Rule] = {
    **dict.fromkeys(SAME, lambda layer, bottoms: [bottoms[0]] * len(layer.top)),
    'Input': lambda layer, _: _declared(layer, [tuple(s.dim) for s in layer.input_param.shape]),
    'DummyData': _dummy_data, 'MVN': lambda layer, bottoms: [(*bottoms[0], 1, 1, 1)[:4]],
    'Convolution': _convolution, 'Deconvolution': _convolution, 'Pooling': _pooling,
    'Upsample': _upsample, 'Interp': _interp, 'Padding': _padding,
    'SegAccuracy': lambda layer, _: [(1, 1, 1, 3)],
    'UniqueLabel': lambda layer, bottoms: [
        (bottoms[0][0], layer.unique_label_param.max_labels, 1, 1)],
    'Concat': _concat, 'Slice': _slice, 'Crop': _crop,
    'InnerProduct': _inner_product, 'Flatten': _flatten, 'Reshape': _reshape}


def _declared(layer: LayerParameter, dims: list[Shape]) -> list[Shape]:
    """Return the shapes of an Input or DummyData layer: one for all tops, or one each."""
    return dims * len(layer.top) if len(dims) == 1 else dims or [None] * len(layer.top)
