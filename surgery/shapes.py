"""The shapes of a net's parameters from its prototxt alone (Caffe: each layer's LayerSetUp).

So that weights can be transplanted and written without running the net.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from netspec.schema.lexer import closest
from netspec.schema.messages import FillerParameter, LayerParameter, NetParameter
from netspec.schema.upgrade import net_needs_upgrade, upgrade_net
from netspec.top_shapes import Shape, known_prod, spatial, top_shapes

from .caffemodel import Weights


class Param(NamedTuple):
    """One parameter blob: its shape, and the constant that it starts at (0 if it is random)."""

    shape: tuple[int, ...]
    start: float = 0


UNKNOWN = Param((None,))


def param_shapes(net: NetParameter) -> dict[str, list[tuple[int, ...]]]:
    """Return the shape of every parameter blob, layer by layer in the net's order.

    Channels are followed from the inputs: an Input layer's shape, else 3 for a data layer's image
    (1 for `depth` and labels). InnerProduct needs the whole shape, so an Input layer. Where a name
    comes twice (TRAIN and TEST) the first counts. Raises ValueError naming the layer whose shape
    is not to be had.
    """
    return {layer: [param.shape for param in params] for layer, params in _trace(net).items()}


def blank(net: NetParameter) -> Weights:
    """Make the arrays of a net before training: zeros, or its constant fillers' value (Scale).

    Random fillers are left at zero, port.Net draws those. Blobs that layers share by
    `param { name }` are one array.
    """
    net = _present(net)
    shared: dict[str, np.ndarray] = {}
    weights, specs = Weights(name=net.name), {layer.name: layer.param for layer in net.layer}
    for layer, params in _trace(net).items():
        weights[layer] = blobs = []
        for i, (shape, start) in enumerate(params):
            spec = specs.get(layer, ())
            key = spec[i].name if i < len(spec) else ''
            blob = shared.get(key) if key else None
            if blob is None:
                blob = np.full(shape, start, np.float32)
            blobs.append(shared.setdefault(key, blob) if key else blob)
    weights.types = {layer.name: layer.type for layer in net.layer}
    return weights


def drawn_layers(net: NetParameter) -> list[str]:
    """Return the layers whose weights a filler draws at random."""
    fixed = ('constant', 'bilinear')
    return [layer.name for layer in _present(net).layer
            if any(value.weight_filler.type not in fixed for field, value in layer.ListFields()
                   if field.name in ('convolution_param', 'inner_product_param'))]


def _trace(net: NetParameter) -> dict[str, list[Param]]:
    """Follow the shapes through the net; return the parameters of each layer that has any."""
    shapes: dict[str, Shape] = {}
    found: dict[str, list[Param]] = {}
    for layer in _present(net).layer:
        bottoms = [_bottom(shapes, layer, name) for name in layer.bottom]
        if layer.type in PARAMS and layer.name not in found:
            found[layer.name] = _params(layer, bottoms)
        shapes.update(zip(layer.top, top_shapes(layer, bottoms), strict=False))
    return {layer: params for layer, params in found.items() if params}


def _present(net: NetParameter) -> NetParameter:
    """Return the net in the present format, the one given where it is."""
    if not net_needs_upgrade(net):
        return net
    copy = NetParameter()
    copy.CopyFrom(net)
    return upgrade_net(copy)


def _bottom(shapes: dict[str, Shape], layer: LayerParameter, name: str) -> Shape:
    """Return a bottom's shape; raise ValueError where no layer before makes it."""
    if name not in shapes:
        near = closest(name, list(shapes))
        hint = f'; did you mean {near!r}?' if near else ''
        raise ValueError(f'layer {layer.name!r}: no layer before it makes bottom {name!r}{hint}')
    return shapes[name]


def _params(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """Return a layer's parameters, each dimension known."""
    known = layer.type in BOTTOMLESS or (bottoms and None not in bottoms)
    params = PARAMS[layer.type](layer, bottoms) if known else [UNKNOWN]
    for param in params:
        if None in param.shape:
            raise ValueError(
                f'layer {layer.name!r} ({layer.type}): the shape of its parameters does not follow '
                f'from the prototxt, bottom {", ".join(layer.bottom)} is {bottoms}; give the net '
                'an Input layer with a shape, or build it with port.Net')
    return params


def _convolution(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """Convolution (out, in / group, …), Deconvolution (in, out / group, …); bias (out,)."""
    param = layer.convolution_param
    axis = param.axis % len(bottoms[0])
    ends = [bottoms[0][axis], param.num_output]
    if ends[0] is None:
        return [UNKNOWN]
    if any(end % param.group for end in ends):
        raise ValueError(f'layer {layer.name!r}: group {param.group} does not divide its channels '
                         f'{ends[0]} and num_output {ends[1]}')
    first, second = ends if layer.type == 'Deconvolution' else ends[::-1]
    kernel = spatial(param, 'kernel_size', len(bottoms[0]) - axis - 1, 1)
    weight = Param((first, second // param.group, *kernel), _start(param.weight_filler))
    bias = Param((param.num_output,), _start(param.bias_filler))
    return [weight, bias] if param.bias_term else [weight]


def _inner_product(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """InnerProduct (out, in), turned round by `transpose`; bias (out,)."""
    param = layer.inner_product_param
    shape = (param.num_output, known_prod(bottoms[0][param.axis % len(bottoms[0]):]))
    weight = Param(shape[::-1] if param.transpose else shape, _start(param.weight_filler))
    bias = Param((param.num_output,), _start(param.bias_filler))
    return [weight, bias] if param.bias_term else [weight]


def _scale(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """Scale: the axes that it multiplies, starting at 1; with two bottoms only the bias is left."""
    param = layer.scale_param
    shape = _axes(bottoms[0], param.axis, param.num_axes)
    if len(bottoms) > 1:
        axis = param.axis % len(bottoms[0])
        shape = bottoms[0][axis:axis + len(bottoms[1])]
    start = _start(param.filler) if param.HasField('filler') else 1
    params = [Param(shape, start)] if len(bottoms) == 1 else []
    return params + ([Param(shape, _start(param.bias_filler))] if param.bias_term else [])


def _bias(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    param = layer.bias_param
    shape = _axes(bottoms[0], param.axis, param.num_axes)
    return [Param(shape, _start(param.filler))] if len(bottoms) == 1 else []


def _prelu(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """PReLU: a slope for each channel, or one; 0.25 where no filler says otherwise."""
    param = layer.prelu_param
    start = _start(param.filler) if param.HasField('filler') else 0.25
    return [Param(() if param.channel_shared else (bottoms[0][1],), start)]


def _batch_norm(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """BatchNorm: sums of mean and variance, and the weight that they were summed with."""
    channels = bottoms[0][1] if len(bottoms[0]) > 1 else 1
    return [Param((channels,)), Param((channels,)), Param((1,))]


def _bn(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """BN of SegNet's fork: scale and shift."""
    param, shape = layer.bn_param, (1, bottoms[0][1], 1, 1)
    return [Param(shape, _start(param.scale_filler)), Param(shape, _start(param.shift_filler))]


def _embed(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    param = layer.embed_param
    weight = Param((param.input_dim, param.num_output), _start(param.weight_filler))
    bias = Param((param.num_output,), _start(param.bias_filler))
    return [weight, bias] if param.bias_term else [weight]


def _recurrent(layer: LayerParameter, bottoms: list[Shape]) -> list[Param]:
    """LSTM and RNN: input weights and bias, weights of a static input if there is one, of the
    hidden state; RNN's output weights and bias.
    """
    param, lstm = layer.recurrent_param, layer.type == 'LSTM'
    states = (2 if lstm else 1) if param.expose_hidden else 0
    gates, hidden = (4 if lstm else 1) * param.num_output, param.num_output
    weight, bias = _start(param.weight_filler), _start(param.bias_filler)
    static = [known_prod(bottoms[2][1:])] if len(bottoms) - states > 2 else []
    params = [Param((gates, known_prod(bottoms[0][2:])), weight), Param((gates,), bias)]
    params += [Param((gates, size), weight) for size in (*static, hidden)]
    return params + ([] if lstm else [Param((hidden, hidden), weight), Param((hidden,), bias)])


def _axes(shape: Shape, axis: int, count: int) -> Shape:
    """Return `count` dimensions from `axis` on, all of them for -1."""
    axis %= len(shape)
    return shape[axis:] if count == -1 else shape[axis:axis + count]


def _start(filler: FillerParameter) -> float:
    """Return a constant filler's value, 0 for a random one."""
    return filler.value if filler.type == 'constant' else 0


PARAMS: dict[str, Callable[[LayerParameter, list[Shape]], list[Param]]] = {
    'Convolution': _convolution, 'Deconvolution': _convolution, 'InnerProduct': _inner_product,
    'Scale': _scale, 'Bias': _bias, 'PReLU': _prelu, 'BatchNorm': _batch_norm, 'BN': _bn,
    'Embed': _embed, 'Parameter': lambda layer, _: [Param(tuple(layer.parameter_param.shape.dim))],
    'RNN': _recurrent, 'LSTM': _recurrent}
BOTTOMLESS = ('Embed', 'Parameter')                # their parameters do not hang on a bottom
