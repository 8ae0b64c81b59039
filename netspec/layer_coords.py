"""Where a layer's top lies on its bottom: x_top = scale * x_bottom + shift, and how far one value
reaches. One small rule for each kind (pycaffe's coord_map.py has those of Caffe's vision layers);
netspec.layer_types says which type has which, netspec.coord_map composes them.

A rule takes the layer's message and its bottoms' shapes, none where they are not known.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from netspec.layer_shapes import Shape
from netspec.schema.messages import LayerParameter, LRNParameter
from netspec.window import Window, pool_window, spatial_axes, window
from netspec.window_shapes import interp_size


class UndefinedMapException(ValueError):
    """The layer's output has no coordinates that follow from its input's."""


class SizeNeeded(UndefinedMapException):
    """The map depends on the sizes of the bottoms, which were not given."""


class CoordMap(NamedTuple):
    """x_top = scale * x_bottom + shift, one number a coordinate (or one for all of them)."""

    axis: int | None  # the last axis before the coordinates: 1 in N x C x H x W; None: any
    scale: Any
    shift: Any


IDENTITY = CoordMap(None, Fraction(1), Fraction(0))
CoordRule = Callable[[LayerParameter, Sequence[Shape]], CoordMap]
ReachRule = Callable[[LayerParameter], Sequence[int]]


def fractions(values: Sequence[int | Fraction]) -> np.ndarray:
    """Return exact numbers that arithmetic takes one by one."""
    return np.array([Fraction(value) for value in values], dtype=object)


# -- maps ---------------------------------------------------------------------------------------

def nowhere(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """The top's values have no place among the bottom's."""
    raise UndefinedMapException('it has no coordinate map')


def identity(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = x_bottom."""
    return IDENTITY


def _window(layer: LayerParameter, bottoms: Sequence[Shape]) -> Window:
    p = layer.convolution_param
    axes = len(bottoms[0]) - p.axis % len(bottoms[0]) - 1 if bottoms else spatial_axes(p)
    try:
        return window(p, axes)
    except ValueError as error:
        raise UndefinedMapException(str(error)) from None


def _centre(held: Window) -> np.ndarray:
    """Return where the first window's centre lies: extent / 2 - pad, the extent counted in steps.

    A kernel of one place reaches over 0 steps.
    """
    return fractions([Fraction(extent - 1, 2) - pad
                      for extent, pad in zip(held.extent, held.pad, strict=True)])


def convolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_bottom = stride * x_top + extent / 2 - pad: the window's centre, solved for x_top."""
    held = _window(layer, bottoms)
    stride = fractions(held.stride)
    return CoordMap(layer.convolution_param.axis, 1 / stride, -_centre(held) / stride)


def deconvolution(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = stride * x_bottom + extent / 2 - pad."""
    held = _window(layer, bottoms)
    return CoordMap(layer.convolution_param.axis, fractions(held.stride), _centre(held))


def pooling(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """As a convolution; rounding up the output's size moves no coordinate.

    One number stands for both sides where the fields give one.
    """
    try:
        held = pool_window(layer.pooling_param)
    except ValueError as error:
        raise UndefinedMapException(str(error)) from None
    if held is None:
        raise UndefinedMapException('global pooling leaves no coordinates')
    axes = spatial_axes(layer.pooling_param)
    stride = fractions(held.stride[:axes])
    return CoordMap(1, 1 / stride, -_centre(held)[:axes] / stride)


def upsample(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = scale * x_bottom + (scale - 1) / 2: the centre of the window that was pooled.

    The value itself lies where the mask says, anywhere in its window.
    """
    p = layer.upsample_param
    scale = fractions([p.scale_h, p.scale_w] if p.HasField('scale_h') else [p.scale])
    return CoordMap(1, scale, (scale - 1) / 2)


def crop(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = x_bottom - offset, from the first cropped axis on."""
    param = layer.crop_param
    return CoordMap(param.axis - 1, Fraction(1), -fractions(list(param.offset) or [0]))


def padding(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = x_bottom + pad_beg."""
    return CoordMap(1, Fraction(1), fractions([layer.padding_param.pad_beg]))


def interp(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = (out - 1) / (in - 1) * (x_bottom + pad_beg): DeepLab's Interp lays corner on corner.

    A zoom alone is its factor, whatever the size; shrinking by s is 1 / s only where s divides
    in - 1, so that the size must be known.
    """
    p = layer.interp_param
    if p.HasField('zoom_factor') and not p.HasField('shrink_factor'):
        scale = fractions([p.zoom_factor])
        return CoordMap(1, scale, scale * p.pad_beg)
    size = list(bottoms[0][2:]) if bottoms else [None]
    if None in size:
        raise SizeNeeded('unless it only zooms, the scale depends on the size, which does not '
                         'follow from the net: give it an Input with a shape')
    inner = [n + p.pad_beg + p.pad_end for n in size if n is not None]
    outer = [interp_size(p, n, fixed) for n, fixed in zip(inner, (p.height, p.width), strict=True)]
    scale = fractions([_ratio(n, m) for n, m in zip(inner, outer, strict=True)])
    return CoordMap(1, scale, scale * p.pad_beg)


def _ratio(inner: int, outer: int) -> Fraction:
    if inner == outer:
        return Fraction(1)
    if min(inner, outer) < 2:
        raise UndefinedMapException(f'{inner} becomes {outer}; one row or column has no scale')
    return Fraction(outer - 1, inner - 1)


def channelwise(message: str) -> CoordRule:
    """x_top = x_bottom for a layer that joins, cuts or compares along the channels."""
    def rule(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
        params = getattr(layer, message)
        for name in ('axis', 'concat_dim', 'slice_dim'):
            if name in params.DESCRIPTOR.fields_by_name and params.HasField(name) and \
                    getattr(params, name) != 1:
                raise UndefinedMapException(f'{name} {getattr(params, name)} is not the channels')
        return IDENTITY
    return rule


def argmax(layer: LayerParameter, bottoms: Sequence[Shape]) -> CoordMap:
    """x_top = x_bottom where the channels are compared; without an axis the result is flat."""
    if layer.argmax_param.axis != 1:
        raise UndefinedMapException('ArgMax keeps coordinates with axis 1 only')
    return IDENTITY


# -- reach: how many further rows and columns of the bottom one value of the top reads -----------

def one_place(layer: LayerParameter) -> Sequence[int]:
    """A value reads the bottom in its own place."""
    return 0, 0


def of_convolution(layer: LayerParameter) -> Sequence[int]:
    """All of its window but one place."""
    return [extent - 1 for extent in window(layer.convolution_param, 2).extent]


def of_deconvolution(layer: LayerParameter) -> Sequence[int]:
    """As many places as windows lie over one value, but one."""
    held = window(layer.convolution_param, 2)
    return [(extent - 1) // stride for extent, stride in zip(held.extent, held.stride, strict=True)]


def of_pooling(layer: LayerParameter) -> Sequence[int]:
    """All of its window but one place."""
    held = pool_window(layer.pooling_param)
    return [0, 0] if held is None else [extent - 1 for extent in held.extent]


def of_lrn(layer: LayerParameter) -> Sequence[int]:
    """The squares around it, where they are summed within a channel."""
    p = layer.lrn_param
    return (p.local_size - 1,) * 2 if p.norm_region == LRNParameter.WITHIN_CHANNEL else (0, 0)


def of_interp(layer: LayerParameter) -> Sequence[int]:
    """The two neighbours between which it interpolates."""
    return 1, 1
