"""Where each layer's output lies on its input: the algebra behind FCN's Crop offsets.

A map (axis, scale, shift) relates coordinates by x_top = scale * x_bottom + shift along every
axis after `axis`. Same surface as pycaffe's caffe.coord_map, in exact fractions.
"""

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from netspec.schema.messages import InterpParameter
from netspec.spec import Function, Top, needed
from netspec.spec import layers as L
from netspec.top_shapes import interp_size, top_shapes


class UndefinedMapException(ValueError):
    """The layer's output has no coordinates that follow from its input's."""


class AxisMismatchException(ValueError):
    """Two maps speak of different axes."""


class AlignmentError(AssertionError, RuntimeError, ValueError):
    """No crop lays the first top on the second. (pycaffe raises the first two by turns.)"""


class CoordMap(NamedTuple):
    """x_top = scale * x_bottom + shift, one number a coordinate (or one for all of them)."""

    axis: int | None  # the last axis before the coordinates: 1 in N x C x H x W; None: any
    scale: Any
    shift: Any


IDENTITY = CoordMap(None, Fraction(1), Fraction(0))


def compose(base_map: CoordMap, next_map: CoordMap) -> CoordMap:
    """Return `base_map` after `next_map`: a1 * (a2 * x + b2) + b1 = (a1 a2) x + (a1 b2 + b1)."""
    axis1, a1, b1 = base_map
    axis2, a2, b2 = next_map
    if None not in (axis1, axis2) and axis1 != axis2:
        raise AxisMismatchException(f'coordinates after axis {axis1} cannot follow those after '
                                    f'axis {axis2}: let both layers use the same axis')
    return CoordMap(axis2 if axis1 is None else axis1, a1 * a2, a1 * b2 + b1)


def inverse(coord_map: CoordMap) -> CoordMap:
    """Return the map from top to bottom: x_bottom = x_top / scale - shift / scale."""
    axis, a, b = coord_map
    return CoordMap(axis, 1 / a, -b / a)


def _fractions(value: Any) -> np.ndarray:
    return np.array([Fraction(v) for v in np.atleast_1d(value).tolist()], dtype=object)


def _spatial(params: dict[str, Any], name: str, default: int | None) -> np.ndarray:
    """Read kernel, stride or pad: one number, a list, or the pair name_h and name_w."""
    pair = [params.get(f'{name}_{side}') for side in 'hw']
    value = params.get('kernel_size' if name == 'kernel' else name, default)
    if pair != [None, None]:
        value = [default if side is None else side for side in pair]
    if value is None or None in np.atleast_1d(value):
        raise UndefinedMapException(f'no {name} size is given')
    return _fractions(value)


def _window(fn: Function, message: str) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
    """Return axis, stride, the kernel's extent (k - 1) * dilation, and pad."""
    params = fn.params.get(message, fn.params)
    if params.get('global_pooling'):
        raise UndefinedMapException('global pooling leaves no coordinates')
    extent = (_spatial(params, 'kernel', None) - 1) * _spatial(params, 'dilation', 1)
    return (params.get('axis', 1), _spatial(params, 'stride', 1), extent,
            _spatial(params, 'pad', 0))


def _convolution(fn: Function, message: str = 'convolution_param') -> CoordMap:
    """x_bottom = stride * x_top + extent / 2 - pad: the window's centre, solved for x_top."""
    axis, stride, extent, pad = _window(fn, message)
    return CoordMap(axis, 1 / stride, (pad - extent / 2) / stride)


def _pooling(fn: Function) -> CoordMap:
    """As a convolution; rounding up the output's size moves no coordinate."""
    return _convolution(fn, 'pooling_param')


def _deconvolution(fn: Function) -> CoordMap:
    """x_top = stride * x_bottom + extent / 2 - pad."""
    axis, stride, extent, pad = _window(fn, 'convolution_param')
    return CoordMap(axis, stride, extent / 2 - pad)


def _crop(fn: Function) -> CoordMap:
    """x_top = x_bottom - offset, from the first cropped axis on."""
    params = fn.params.get('crop_param', fn.params)
    return CoordMap(params.get('axis', 2) - 1, Fraction(1), -_fractions(params.get('offset', 0)))


def _padding(fn: Function) -> CoordMap:
    """x_top = x_bottom + pad_beg."""
    params = fn.params.get('padding_param', fn.params)
    return CoordMap(1, Fraction(1), _fractions(params.get('pad_beg', 0)))


def _channelwise(message: str) -> Callable[[Function], CoordMap]:
    """x_top = x_bottom for a layer that joins, cuts or compares along the channels."""
    def rule(fn: Function) -> CoordMap:
        params = fn.params.get(message, fn.params)
        for name in ('axis', 'concat_dim', 'slice_dim'):
            if params.get(name, 1) != 1:
                raise UndefinedMapException(f'{name} {params[name]} is not the channels')
        return IDENTITY
    return rule


def _argmax(fn: Function) -> CoordMap:
    """x_top = x_bottom where the channels are compared; without an axis the result is flat."""
    if fn.params.get('argmax_param', fn.params).get('axis') != 1:
        raise UndefinedMapException('ArgMax keeps coordinates with axis 1 only')
    return IDENTITY


def _interp(fn: Function, size: Sequence[int] | None) -> CoordMap:
    """x_top = (out - 1) / (in - 1) * (x_bottom + pad_beg): DeepLab's Interp lays corner on corner.

    A zoom alone is its factor, whatever the size; shrinking by s is 1 / s only where s divides
    in - 1.
    """
    params = fn.params.get('interp_param', fn.params)
    if params.keys() & {'zoom_factor', 'shrink_factor'} == {'zoom_factor'}:
        scale = _fractions(params['zoom_factor'])
        return CoordMap(1, scale, scale * params.get('pad_beg', 0))
    size = size or _bottom_size(fn)
    if size is None:
        raise UndefinedMapException('unless it only zooms, the scale depends on the size, which '
                                    'does not follow from the net: give it an Input with a shape')
    param = InterpParameter(**params)
    inner = [n + param.pad_beg + param.pad_end for n in size]
    outer = [interp_size(param, n, fixed)
             for n, fixed in zip(inner, (param.height, param.width), strict=True)]
    if any(a != b and min(a, b) < 2 for a, b in zip(inner, outer, strict=True)):
        raise UndefinedMapException(f'{inner} becomes {outer}; one row or column has no scale')
    scale = np.array([Fraction(max(o - 1, 1), max(i - 1, 1))
                      for i, o in zip(inner, outer, strict=True)], dtype=object)
    return CoordMap(1, scale, scale * param.pad_beg)


def _bottom_size(fn: Function) -> tuple[int, int] | None:
    """Return height and width of a layer's first bottom, None where they do not follow."""
    if not fn.inputs:
        return None
    shapes: dict[Function, list] = {}
    for each in needed(fn.inputs[0].fn, shapes):
        layer = each.layer([''] * len(each.inputs), [''] * each.ntop, '')
        shapes[each] = top_shapes(layer, [shapes[top.fn][top.n] for top in each.inputs])
    shape = shapes[fn.inputs[0].fn][fn.inputs[0].n]
    return shape[2:] if shape and len(shape) == 4 and None not in shape[2:] else None


PASS_THROUGH_LAYERS = (
    'AbsVal', 'AdaptiveBiasChannel', 'BatchNorm', 'BatchReindex', 'Bias', 'BiasChannel', 'BN',
    'BNLL', 'Clip', 'Dropout', 'Eltwise', 'ELU', 'Exp', 'Filter', 'Log', 'LRN', 'MVN', 'Power',
    'PReLU', 'ReLU', 'Scale', 'Sigmoid', 'Split', 'Swish', 'TanH', 'Threshold')

RULES: dict[str, Callable[[Function], CoordMap]] = {
    **dict.fromkeys(PASS_THROUGH_LAYERS, lambda fn: IDENTITY),
    'Convolution': _convolution, 'Im2col': _convolution, 'Deconvolution': _deconvolution,
    'Pooling': _pooling, 'Crop': _crop, 'Padding': _padding, 'ArgMax': _argmax,
    'Concat': _channelwise('concat_param'), 'Slice': _channelwise('slice_param'),
    'Softmax': _channelwise('softmax_param'), 'Tile': _channelwise('tile_param')}


def coord_map(fn: Function, size: Sequence[int] | None = None) -> CoordMap:
    """Return the map of one layer; raise UndefinedMapException where it has none.

    size: height and width of its bottom, where the layer alone does not tell (Interp).
    """
    if fn.type_name not in RULES and fn.type_name != 'Interp':
        raise UndefinedMapException(f'{fn.type_name} has no coordinate map')
    try:
        if fn.type_name == 'Interp':
            return _interp(fn, size)
        return RULES[fn.type_name](fn)
    except UndefinedMapException as error:
        raise UndefinedMapException(f'{fn.type_name}: {error}') from None


def _bottoms(fn: Function) -> tuple[Top, ...]:
    """The bottoms that the map speaks of: of a Crop only what is cropped, not the reference."""
    return fn.inputs[:1] if fn.type_name == 'Crop' else fn.inputs


def _ancestors(top: Top, ends: dict[str, None]) -> Iterator[tuple[Top, CoordMap]]:
    """Yield `top` and what it is made of, nearest first, with the map to `top` from each.

    A blob that is reached by several ways is yielded once, with the map of the shortest. Layers
    where the walk ends are noted in `ends`.
    """
    seen, queue = {top}, [(top, IDENTITY)]
    for blob, way in queue:
        yield blob, way
        try:
            step = coord_map(blob.fn)
        except UndefinedMapException:
            ends[blob.fn.type_name] = None
            continue
        new = [bottom for bottom in _bottoms(blob.fn) if bottom not in seen]
        seen.update(new)
        queue += [(bottom, compose(way, step)) for bottom in new]


def _relate(top_from: Top, top_to: Top) -> CoordMap:
    """Return the exact map from `top_from` to `top_to` through their nearest common ancestor."""
    from_ends: dict[str, None] = {}
    to_ends: dict[str, None] = {}
    from_maps = dict(_ancestors(top_from, from_ends))
    for blob, way in _ancestors(top_to, to_ends):
        if blob in from_maps:
            return compose(way, inverse(from_maps[blob]))
    raise AlignmentError(
        f'{top_from} and {top_to} share no ancestor whose coordinates reach both: the way back '
        f'from the first ends at {", ".join(from_ends)}, from the second at {", ".join(to_ends)}')


def coord_map_from_to(top_from: Top, top_to: Top) -> CoordMap:
    """Return the map with x_to = scale * x_from + shift, in floats as pycaffe gives it.

    Raise AlignmentError where the two have no common ancestor, AxisMismatchException where the
    ways to it speak of different axes.
    """
    axis, scale, shift = _relate(top_from, top_to)
    return CoordMap(axis, np.array(scale, dtype=float), np.array(shift, dtype=float))


def crop(top_from: Top, top_to: Top) -> Top:
    """Return the Crop layer that lays `top_from` on `top_to`: offset = -shift where scale is 1.

    Raise AlignmentError where the scales differ, or the offset is negative or no integer.
    """
    axis, scale, shift = _relate(top_from, top_to)
    scales, offsets = np.atleast_1d(scale).tolist(), (-np.atleast_1d(shift)).tolist()
    pair = f'on crop of {top_from} to {top_to}'
    if any(s != 1 for s in scales):
        raise AlignmentError(f'scale mismatch {pair}: one step of the first is '
                             f'{_numbers(scales)} steps of the second; expected 1')
    if any(offset < 0 for offset in offsets):
        raise AlignmentError(f'negative offset {_numbers(offsets)} {pair}: the first begins '
                             'inside the second; pad its input more')
    if any(offset.denominator != 1 for offset in offsets):
        raise AlignmentError(f'noninteger offset {_numbers(offsets)} {pair}: change the '
                             'kernel_size of the upsampling by 1')
    return L.Crop(top_from, top_to, crop_param=dict(
        axis=2 if axis is None else axis + 1, offset=[int(offset) for offset in offsets]))


def _numbers(values: list[Fraction]) -> str:
    return ', '.join(str(value) for value in values)
