"""Where each layer's output lies on its input: the algebra behind FCN's Crop offsets.

A map (axis, scale, shift) relates coordinates by x_top = scale * x_bottom + shift along every
axis after `axis`. Same surface as pycaffe's caffe.coord_map, in exact fractions; the map of each
layer type is in its row of netspec.layer_types.
"""

from collections.abc import Iterator, Sequence
from fractions import Fraction

import numpy as np

from netspec.layer_coords import IDENTITY, CoordMap, SizeNeeded, UndefinedMapException
from netspec.layer_shapes import MaybeShape, Shape
from netspec.layer_types import LAYER_TYPES, PLACELESS, top_shapes
from netspec.spec import Function, Top, needed
from netspec.spec import layers as L


class AxisMismatchException(ValueError):
    """Two maps relate different axes."""


class AlignmentError(AssertionError, RuntimeError, ValueError):
    """No crop lays the first top on the second. (pycaffe raises the first two by turns.)"""


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


def coord_map(fn: Function, bottoms: Sequence[Shape] = ()) -> CoordMap:
    """Return the map of one layer; raise UndefinedMapException where it has none.

    bottoms: the shapes of its bottoms, for layers whose map depends on them (Interp); where they
    are not given, those that follow from the Input layers.
    """
    layer = fn.layer([], [], fn.name)
    if fn.type_name not in LAYER_TYPES:
        raise UndefinedMapException(f'{fn.type_name} has no coordinate map')
    rule = LAYER_TYPES[fn.type_name].coords
    try:
        try:
            return rule(layer, bottoms)
        except SizeNeeded:
            return rule(layer, bottoms or _bottom_shapes(fn))
    except UndefinedMapException as error:
        raise UndefinedMapException(f'{fn.type_name}: {error}') from None


def _bottom_shapes(fn: Function) -> list[Shape]:
    """Return the shapes of a layer's bottoms as far as they follow from its Input layers."""
    shapes: dict[Function, list[MaybeShape]] = {}
    for top in fn.inputs:
        for each in needed(top.fn, shapes):
            layer = each.layer(_names(each.inputs), _names(each.tops), each.name)
            shapes[each] = top_shapes(layer, [shapes[top.fn][top.n] for top in each.inputs])
    found = [shapes[top.fn][top.n] for top in fn.inputs]
    known = [shape for shape in found if shape is not None]
    return known if len(known) == len(found) else []


def _names(tops: Sequence[Top]) -> list[str]:
    return [top.name for top in tops]


def _bottoms(fn: Function) -> tuple[Top, ...]:
    """Return the bottoms whose coordinates the map relates: all but one that only gives a size."""
    row = LAYER_TYPES.get(fn.type_name, PLACELESS)
    return tuple(top for i, top in enumerate(fn.inputs) if i != row.size_bottom)


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
