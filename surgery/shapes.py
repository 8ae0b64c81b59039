"""The shapes of a net's parameters from its prototxt alone (Caffe: each layer's LayerSetUp).

With them weights can be transplanted and written without running the net.
"""

import numpy as np

from netspec.layer_params import ParamShape
from netspec.layer_shapes import MaybeShape
from netspec.layer_types import param_shapes as param_shapes_of
from netspec.layer_types import top_shapes
from netspec.schema.lexer import closest
from netspec.schema.messages import LayerParameter, NetParameter
from netspec.schema.upgrade import net_needs_upgrade, upgrade_net

from .caffemodel import Weights

Start = tuple[tuple[int, ...], float]  # a parameter's shape, and the constant it starts at


def param_shapes(net: NetParameter) -> dict[str, list[tuple[int, ...]]]:
    """Return the shape of every parameter blob, layer by layer in the net's order.

    Channels are followed from the inputs: an Input layer's shape, else 3 for a data layer's image
    (1 for `depth` and labels). InnerProduct needs the whole shape, so an Input layer. Where a name
    comes twice (TRAIN and TEST) the first counts. Raises ValueError naming the layer whose shape
    is not to be had.
    """
    return {layer: [shape for shape, _ in params] for layer, params in _trace(net).items()}


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


def _trace(net: NetParameter) -> dict[str, list[Start]]:
    """Follow the shapes through the net; return the parameters of each layer that has any."""
    shapes: dict[str, MaybeShape] = {}
    found: dict[str, list[Start]] = {}
    for layer in _present(net).layer:
        bottoms = [_bottom(shapes, layer, name) for name in layer.bottom]
        try:
            if layer.name not in found:
                found[layer.name] = [_closed(param, layer, bottoms)
                                     for param in param_shapes_of(layer, bottoms)]
            shapes.update(zip(layer.top, top_shapes(layer, bottoms), strict=False))
        except ValueError as error:
            raise ValueError(f'layer {layer.name!r} ({layer.type}): {error}') from None
    return {layer: params for layer, params in found.items() if params}


def _present(net: NetParameter) -> NetParameter:
    """Return the net in the present format, the one given where it is."""
    if not net_needs_upgrade(net):
        return net
    copy = NetParameter()
    copy.CopyFrom(net)
    return upgrade_net(copy)


def _bottom(shapes: dict[str, MaybeShape], layer: LayerParameter, name: str) -> MaybeShape:
    """Return a bottom's shape; raise ValueError where no layer before makes it."""
    if name not in shapes:
        near = closest(name, list(shapes))
        hint = f'; did you mean {near!r}?' if near else ''
        raise ValueError(f'layer {layer.name!r}: no layer before it makes bottom {name!r}{hint}')
    return shapes[name]


def _closed(param: ParamShape, layer: LayerParameter, bottoms: list[MaybeShape]) -> Start:
    """Return a parameter all of whose dimensions are known; ValueError where one is not."""
    shape = tuple(dim for dim in param.shape if dim is not None)
    if len(shape) < len(param.shape):
        raise ValueError(f'the shape of its parameters does not follow from the prototxt, bottom '
                         f'{", ".join(layer.bottom)} is {bottoms}; give the net an Input layer '
                         'with a shape, or build it with port.Net')
    return shape, param.start
