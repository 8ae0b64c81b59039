"""Caffe's pooling as ONNX nodes that keep its output size, clip rule and divisor at every size.

Rounding up is left to no runtime: with sizes rounded down, padding behind the image of
stride - 1 more gives as many windows; the clip rule keeps a last window's start within the image,
which holds when the padding there stays below the kernel.
"""

import numpy as np

from netspec.schema.messages import PoolingParameter
from port.engine.pool_axis import LOWEST
from port.onnx.graph_builder import Graph

Pair = tuple[int, int]
Window = dict[str, list[int]]


def behind(kernel: Pair, stride: Pair, pad: Pair, ceil: bool) -> Pair:
    """Return the padding behind the image for sizes rounded down."""
    ends = [p + (s - 1) * ceil for p, s in zip(pad, stride, strict=True)]
    if any(pad):
        ends = [min(e, k - 1) for e, k in zip(ends, kernel, strict=True)]
    return ends[0], ends[1]


def add_pool(g: Graph, param: PoolingParameter, kernel: Pair | None, stride: Pair, pad: Pair,
             x: str, tops: list[str]) -> list[str]:
    """Add a pooling; kernel None is the whole image."""
    if kernel is None:
        return [add_global(g, param, x, tops)]
    ends = behind(kernel, stride, pad, param.round_mode == PoolingParameter.CEIL)
    beyond = any(e >= k for e, k in zip(ends, kernel, strict=True))
    window = {'kernel_shape': list(kernel), 'strides': list(stride)}
    if param.pool == PoolingParameter.MAX:
        return add_max(g, window, pad, ends, beyond, x, tops)
    if beyond:
        raise ValueError('AVE and STOCHASTIC pooling with a stride above the kernel have no ONNX '
                         'form')
    if param.pool == PoolingParameter.AVE:
        return [add_average(g, window, pad, ends, x, tops[0])]
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
    """Take maxima, and their places in the plane; an empty window gives -FLT_MAX."""
    if beyond:
        if len(tops) > 1:
            raise ValueError('places of maxima with a stride above the kernel have no ONNX form')
        x = g.add('Pad', x, g.ints(0, 0, 0, 0, 0, 0, *ends), g.const(LOWEST))
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


def add_expected(g: Graph, window: Window, ends: Pair, x: str, out: str) -> str:
    """STOCHASTIC while testing: sum x^2 / sum x in each window, 0 where the sum is not above 0."""
    sums = add_average(g, window, (0, 0), ends, x)
    squares = add_average(g, window, (0, 0), ends, g.add('Mul', x, x))
    zero = g.const(0)
    return g.add('Where', g.add('Greater', sums, zero), g.add('Div', squares, sums), zero, out=out)
