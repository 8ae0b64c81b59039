"""Caffe's pooling as ONNX nodes that keep its output size, clip rule and divisor at every size.

Rounding up is left to no runtime: with sizes rounded down, padding behind the image of
stride - 1 more gives as many windows; the clip rule keeps a last window's start within the image,
which holds when the padding there stays below the kernel.
"""

import numpy as np

from netspec.schema.messages import PoolingParameter
from netspec.window import PoolWindow
from port.engine.pool_axis import LOWEST
from port.onnx.graph_builder import Graph

Pair = tuple[int, int]
Window = dict[str, list[int]]


def behind(held: PoolWindow, ceil: bool) -> Pair:
    """Return the padding behind the image for sizes rounded down."""
    ends = [p + (s - 1) * ceil for p, s in zip(held.pad, held.stride, strict=True)]
    if any(held.pad):
        ends = [min(e, extent - 1) for e, extent in zip(ends, held.extent, strict=True)]
    return ends[0], ends[1]


def add_pool(g: Graph, param: PoolingParameter, held: PoolWindow | None, x: str,
             tops: list[str]) -> list[str]:
    """Add a pooling; no window is the whole image."""
    if held is None:
        return [add_global(g, param, x, tops)]
    ends = behind(held, param.round_mode == PoolingParameter.CEIL)
    beyond = any(e >= extent for e, extent in zip(ends, held.extent, strict=True))
    holed = held.dilation != (1, 1)
    window = {'kernel_shape': list(held.kernel), 'strides': list(held.stride)}
    window |= {'dilations': list(held.dilation)} if holed else {}
    if param.pool == PoolingParameter.MAX:
        # ONNX Runtime wants padding below the kernel itself, holes or not.
        wide = any(n >= k for pads in (held.pad, ends)
                   for n, k in zip(pads, held.kernel, strict=True))
        return add_max(g, window, held.pad, ends, beyond or wide, x, tops)
    if beyond:
        raise ValueError('AVE and STOCHASTIC pooling with a stride above the kernel have no ONNX '
                         'form')
    if param.pool == PoolingParameter.AVE and holed:
        return [add_holed_average(g, window, held.pad, ends, x, tops[0])]
    if param.pool == PoolingParameter.AVE:
        return [add_average(g, window, held.pad, ends, x, tops[0])]
    return [add_expected(g, window, ends, x, tops[0])]


def add_global(g: Graph, param: PoolingParameter, x: str, tops: list[str]) -> str:
    """Pool the whole image."""
    if param.pool == PoolingParameter.STOCHASTIC or len(tops) > 1:
        raise ValueError('global STOCHASTIC pooling, and places of global maxima, have no ONNX '
                         'form')
    kind = 'GlobalMaxPool' if param.pool == PoolingParameter.MAX else 'GlobalAveragePool'
    return g.add(kind, x, out=tops[0])


def add_max(g: Graph, window: Window, pad: Pair, ends: Pair, beyond: bool, x: str,
            tops: list[str]) -> list[str]:
    """Take maxima, and their places in the plane; an empty window gives -FLT_MAX.

    beyond: the padding is written out, for a MaxPool of its own may not have so much.
    """
    if beyond:
        if len(tops) > 1:
            raise ValueError('places of maxima with a stride or padding above the kernel have no '
                             'ONNX form')
        x = g.add('Pad', x, g.ints(0, 0, *pad, 0, 0, *ends), g.const(LOWEST))
        return [g.add('MaxPool', x, **window, out=tops[0])]
    pads = [*pad, *ends] if any((*pad, *ends)) else None
    if len(tops) == 1:
        return [g.add('MaxPool', x, **window, pads=pads, out=tops[0])]
    top, place = g.add_many('MaxPool', x, **window, pads=pads, out=[tops[0], None])
    plane = g.add('ReduceProd', g.sizes(x, 2), axes=[0], keepdims=0)
    return [top, g.cast(g.add('Mod', place, plane), np.float32, tops[1])]


def add_average(g: Graph, window: Window, pad: Pair, ends: Pair, x: str,
                out: str | None = None) -> str:
    """Average; the divisor counts the padding, but not what rounding up adds to it."""
    if ends == pad:
        pads = [*pad, *pad] if any(pad) else None
        return g.add('AveragePool', x, **window, count_include_pad=1 if pads else None, pads=pads,
                     out=out)
    if any(pad):
        x = g.add('Pad', x, g.ints(0, 0, *pad, 0, 0, *pad))
    over = [e - p for e, p in zip(ends, pad, strict=True)]
    return g.add('AveragePool', x, **window, pads=[0, 0, *over], out=out)


def add_holed_average(g: Graph, window: Window, pad: Pair, ends: Pair, x: str, out: str) -> str:
    """Average over windows with holes, which AveragePool has from opset 19 on only: a convolution
    with ones of each plane by itself, divided by how many places lie within the padded image.
    """
    ones = g.const(np.ones((1, 1, *window['kernel_shape'])), name='ones')
    over = [0, 0, *(e - p for e, p in zip(ends, pad, strict=True))]
    edge = g.ints(0, 0, *pad, 0, 0, *pad)
    plane = g.add('Concat', g.ints(-1, 1), g.sizes(x, 2), axis=0)
    flat = g.add('Pad', g.add('Reshape', x, plane), edge)
    sums = g.add('Conv', flat, ones, **window, pads=over, out=None)
    inside = g.add('Expand', g.const(1), g.add('Concat', g.ints(1, 1), g.sizes(x, 2), axis=0))
    inside = g.add('Pad', inside, edge, g.const(1))
    counts = g.add('Conv', inside, ones, **window, pads=over, out=None)
    each = g.add('Concat', g.sizes(x, 0, 2), g.add('Shape', sums, start=2), axis=0)
    return g.add('Reshape', g.add('Div', sums, counts), each, out=out)


def add_expected(g: Graph, window: Window, ends: Pair, x: str, out: str) -> str:
    """STOCHASTIC while testing: sum x^2 / sum x in each window, 0 where the sum is not above 0."""
    sums = add_average(g, window, (0, 0), ends, x)
    squares = add_average(g, window, (0, 0), ends, g.add('Mul', x, x))
    zero = g.const(0)
    return g.add('Where', g.add('Greater', sums, zero), g.add('Div', squares, sums), zero, out=out)
