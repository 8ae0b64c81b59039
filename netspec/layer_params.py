"""The shapes of a layer's parameters, and the products they take part in, without making them:
LayerSetUp of Caffe, one small rule for each kind. netspec.layer_types says which type has which.

A rule takes the layer's message and its bottoms' shapes. A dimension that follows from an open
one is None.
"""

from collections.abc import Callable
from typing import NamedTuple

from netspec.layer_shapes import Shape, canonical, known_prod, known_sum
from netspec.schema.messages import FillerParameter, LayerParameter
from netspec.window import Dim, window


class ParamShape(NamedTuple):
    """One parameter blob: its shape, and the constant that it starts at (0 if it is random)."""

    shape: Shape
    start: float = 0


UNKNOWN = ParamShape((None,))
ParamRule = Callable[[LayerParameter, list[Shape]], list[ParamShape]]
ProductRule = Callable[[list[Shape], list[Shape], list[ParamShape]], Dim]


def no_params(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """Nothing is learnt."""
    return []


def convolution(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """Convolution (out, in / group, …), Deconvolution (in, out / group, …); bias (out,)."""
    p, shape = layer.convolution_param, bottoms[0]
    axis = canonical(p.axis, len(shape))
    ends: list[Dim] = [shape[axis], p.num_output]
    if p.num_output < 1:
        raise ValueError('num_output must be given, at least 1')
    if p.group < 1 or any(end is not None and end % p.group for end in ends):
        raise ValueError(f'group {p.group} must divide both the {ends[0]} channels of the bottom '
                         f'and num_output {ends[1]}')
    first, second = ends if layer.type == 'Deconvolution' else ends[::-1]
    kernel = window(p, len(shape) - axis - 1).kernel
    columns = None if second is None else second // p.group
    weight = ParamShape((first, columns, *kernel), _start(p.weight_filler))
    return [weight, ParamShape((p.num_output,), _start(p.bias_filler))][:1 + p.bias_term]


def inner_product(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """InnerProduct (out, in), turned round by `transpose`; bias (out,)."""
    p = layer.inner_product_param
    if p.num_output < 1:
        raise ValueError('num_output must be given, at least 1')
    shape = (p.num_output, known_prod(bottoms[0][canonical(p.axis, len(bottoms[0])):]))
    weight = ParamShape(shape[::-1] if p.transpose else shape, _start(p.weight_filler))
    return [weight, ParamShape((p.num_output,), _start(p.bias_filler))][:1 + p.bias_term]


def embed(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """A row for each number that may come; bias (num_output,)."""
    p = layer.embed_param
    if p.num_output < 1 or p.input_dim < 1:
        raise ValueError(f'num_output ({p.num_output}) and input_dim ({p.input_dim}) must be '
                         'given, at least 1')
    weight = ParamShape((p.input_dim, p.num_output), _start(p.weight_filler))
    return [weight, ParamShape((p.num_output,), _start(p.bias_filler))][:1 + p.bias_term]


def parameter(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """The shape that is written."""
    return [ParamShape(tuple(layer.parameter_param.shape.dim))]


def scale(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """Scale: the axes that it multiplies, starting at 1; with two bottoms only the bias is left."""
    p = layer.scale_param
    shape = _from_axis(bottoms[0], p.axis, p.num_axes)
    if len(bottoms) > 1:
        axis = canonical(p.axis, len(bottoms[0])) if bottoms[1] else 0
        shape = bottoms[0][axis:axis + len(bottoms[1])]
    start = _start(p.filler) if p.HasField('filler') else 1
    params = [ParamShape(shape, start)] if len(bottoms) == 1 else []
    return params + ([ParamShape(shape, _start(p.bias_filler))] if p.bias_term else [])


def bias(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """Bias: the axes that it is added to, unless a second bottom is added."""
    p = layer.bias_param
    return ([ParamShape(_from_axis(bottoms[0], p.axis, p.num_axes), _start(p.filler))]
            if len(bottoms) == 1 else [])


def _from_axis(shape: Shape, axis: int, count: int) -> Shape:
    """Return `count` dimensions from `axis` on, all of them for -1."""
    axis = canonical(axis, len(shape))
    if count < -1:
        raise ValueError(f'num_axes is {count}; expected 0 or more, or -1 to extend to the last '
                         'axis')
    if axis + max(count, 0) > len(shape):
        raise ValueError(f'{count} axes from axis {axis} reach past the {len(shape)} axes of '
                         f'bottom {list(shape)}')
    return shape[axis:] if count == -1 else shape[axis:axis + count]


def prelu(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """PReLU: a slope for each channel, or one; 0.25 where no filler says otherwise."""
    p = layer.prelu_param
    start = _start(p.filler) if p.HasField('filler') else 0.25
    return [ParamShape(() if p.channel_shared else (_channels(bottoms[0]),), start)]


def batch_norm(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """BatchNorm: sums of mean and variance, and the weight that they were summed with."""
    channels = _channels(bottoms[0])
    return [ParamShape((channels,)), ParamShape((channels,)), ParamShape((1,))]


def _channels(shape: Shape) -> Dim:
    return shape[1] if len(shape) > 1 else 1


def bn(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """BN of SegNet's fork: scale and shift."""
    p, shape = layer.bn_param, (1, bottoms[0][1], 1, 1)
    return [ParamShape(shape, _start(p.scale_filler)), ParamShape(shape, _start(p.shift_filler))]


def lstm(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """LSTM: four gates and two states, c and h."""
    return _recurrent(layer, bottoms, gates=4, states=2)


def rnn(layer: LayerParameter, bottoms: list[Shape]) -> list[ParamShape]:
    """RNN: one gate and one state; then the weights and bias of the outputs."""
    p = layer.recurrent_param
    width, start = p.num_output, _start(p.weight_filler)
    return [*_recurrent(layer, bottoms, gates=1, states=1),
            ParamShape((width, width), start), ParamShape((width,), _start(p.bias_filler))]


def _recurrent(layer: LayerParameter, bottoms: list[Shape], gates: int,
               states: int) -> list[ParamShape]:
    """Input weights and bias, weights of a static input if there is one, of the hidden state."""
    p = layer.recurrent_param
    if not p.num_output:
        raise ValueError('recurrent_param { num_output } must be positive, got 0')
    rows, weight = gates * p.num_output, _start(p.weight_filler)
    exposed = states if p.expose_hidden else 0
    static = [known_prod(bottoms[2][1:])] if len(bottoms) - exposed > 2 else []
    params = [ParamShape((rows, known_prod(bottoms[0][2:])), weight),
              ParamShape((rows,), _start(p.bias_filler))]
    return params + [ParamShape((rows, size), weight) for size in (*static, p.num_output)]


def _start(filler: FillerParameter) -> float:
    """Return a constant filler's value, 0 for a random one."""
    return filler.value if filler.type == 'constant' else 0


# -- products: bottoms' shapes, tops' shapes, parameters -> how many numbers are multiplied ------

def no_products(bottoms: list[Shape], tops: list[Shape], params: list[ParamShape]) -> Dim:
    """Its parameters, if any, multiply nothing that the layer sums up."""
    return 0


def by_outputs(bottoms: list[Shape], tops: list[Shape], params: list[ParamShape]) -> Dim:
    """Convolution: every output takes one filter's weights."""
    return _times(tops, params[0].shape[1:])


def by_inputs(bottoms: list[Shape], tops: list[Shape], params: list[ParamShape]) -> Dim:
    """Deconvolution: every input takes one filter's weights."""
    return _times(bottoms, params[0].shape[1:])


def by_vectors(bottoms: list[Shape], tops: list[Shape], params: list[ParamShape]) -> Dim:
    """InnerProduct: every vector takes all weights."""
    return _times([top[:-1] for top in tops], params[0].shape)


def _times(shapes: list[Shape], weights: Shape) -> Dim:
    return known_sum([known_prod([*shape, *weights]) for shape in shapes])
