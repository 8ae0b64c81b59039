"""Coordinates against window centres that are counted one tap at a time."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netspec import NetSpec, crop
from netspec import layers as L
from netspec import params as P
from netspec.coord_map import (
    AlignmentError,
    AxisMismatchException,
    CoordMap,
    UndefinedMapException,
    compose,
    coord_map,
    coord_map_from_to,
    inverse,
)

SIZES = dict(ks=st.integers(1, 9), stride=st.integers(1, 8), pad=st.integers(0, 100),
             dilation=st.integers(1, 4), at=st.integers(-5, 50))
NUMBERS = st.fractions(-20, 20, max_denominator=64)
MAPS = st.builds(CoordMap, st.just(1), NUMBERS.filter(bool), NUMBERS)


def centre(at: int, ks: int, stride: int, pad: int, dilation: int) -> Fraction:
    """The mean of the input rows that the window of output row `at` reads."""
    return Fraction(sum(at * stride - pad + tap * dilation for tap in range(ks)), ks)


def data() -> object:
    return L.Input(shape=dict(dim=[1, 3, 100, 100]))


@settings(deadline=None)
@given(**SIZES)
def test_convolution_maps_window_centres_to_rows(ks, stride, pad, dilation, at):
    fn = L.Convolution(data(), kernel_size=ks, stride=stride, pad=pad, dilation=dilation).fn
    axis, scale, shift = coord_map(fn)
    assert (axis, scale * centre(at, ks, stride, pad, dilation) + shift) == (1, at)


@settings(deadline=None)
@given(**SIZES)
def test_deconvolution_maps_rows_to_window_centres(ks, stride, pad, dilation, at):
    fn = L.Deconvolution(data(), convolution_param=dict(
        kernel_size=ks, stride=stride, pad=pad, dilation=dilation)).fn
    _, scale, shift = coord_map(fn)
    assert scale * at + shift == centre(at, ks, stride, pad, dilation)


@settings(deadline=None)
@given(first=MAPS, then=MAPS, x=NUMBERS)
def test_compose_is_one_map_after_the_other(first, then, x):
    _, scale, shift = compose(then, first)
    assert scale * x + shift == then.scale * (first.scale * x + first.shift) + then.shift


@settings(deadline=None)
@given(way=MAPS)
def test_inverse_undoes(way):
    assert compose(way, inverse(way)) == compose(inverse(way), way) == (1, 1, 0)


def test_compose_keeps_the_axis_that_is_known():
    assert compose(CoordMap(None, 1, 0), CoordMap(2, 1, 0)).axis == 2
    assert compose(CoordMap(2, 1, 0), CoordMap(None, 1, 0)).axis == 2
    with pytest.raises(AxisMismatchException, match='axis 1 .* axis 2'):
        compose(CoordMap(1, 1, 0), CoordMap(2, 1, 0))


@pytest.mark.parametrize('offset, cropped', [(3, 3), ([3, 5], [3, 5])])
def test_crop_takes_its_offset_off(offset, cropped):
    top = data()
    axis, scale, shift = coord_map_from_to(top, L.Crop(top, data(), axis=2, offset=offset))
    assert (axis, scale) == (1, 1) and np.array_equal(shift, -np.atleast_1d(cropped))


@pytest.mark.parametrize('layer', [
    lambda top: L.ReLU(top), lambda top: L.Eltwise(top, top), lambda top: L.Concat(top, top),
    lambda top: L.Slice(top, ntop=2, slice_point=1)[1], lambda top: L.Softmax(top),
    lambda top: L.ArgMax(top, axis=1), lambda top: L.Convolution(top, kernel_size=1),
    lambda top: L.Pooling(top, kernel_size=3, pad=1),
    lambda top: L.Convolution(top, kernel_h=3, kernel_w=1, pad_h=1, pad_w=0),
    lambda top: L.Interp(L.Interp(top, zoom_factor=8), shrink_factor=8)])
def test_layers_that_leave_coordinates_alone(layer):
    top = data()
    _, scale, shift = coord_map_from_to(layer(top), top)
    assert np.all(scale == 1) and np.all(shift == 0)


@pytest.mark.parametrize('layer', [
    lambda top: L.InnerProduct(top, num_output=3), lambda top: L.Concat(top, top, axis=2),
    lambda top: L.ArgMax(top), lambda top: L.Pooling(top, global_pooling=True),
    lambda top: L.Convolution(top, num_output=3),
    lambda top: L.Interp(L.Data(), height=9, width=9),
    lambda top: L.Slice(top, slice_dim=2), lambda top: L.Convolution(top, kernel_h=3)])
def test_layers_that_have_no_coordinates(layer):
    top = layer(data())
    with pytest.raises(UndefinedMapException, match=top.fn.type_name):
        coord_map(top.fn)


@pytest.mark.parametrize('options', [
    dict(shrink_factor=8), dict(shrink_factor=4, zoom_factor=3), dict(height=40, width=31),
    dict(zoom_factor=8), dict(shrink_factor=3, pad_beg=-2, pad_end=-1),
    dict(zoom_factor=2, pad_beg=-3, pad_end=-4), dict(height=100, width=100)])
def test_interp_lays_corner_on_corner(options):
    """Its true scale is (out - 1) / (in - 1): 12 / 99 and not 1 / 8 where 100 becomes 13."""
    top = data()
    _, scale, shift = coord_map(L.Interp(top, **options).fn)
    first, last = -options.get('pad_beg', 0), 99 + options.get('pad_end', 0)
    size = last - first + 1
    if 'shrink_factor' in options:
        size = (size - 1) // options['shrink_factor'] + 1
    if 'zoom_factor' in options:
        size += (size - 1) * (options['zoom_factor'] - 1)
    for side, name in enumerate(('height', 'width')):
        s = np.broadcast_to(scale, 2)[side]
        b = np.broadcast_to(shift, 2)[side]
        assert (s * first + b, s * last + b) == (0, options.get(name, size) - 1)


def test_interp_follows_sizes_through_a_net():
    top = data()                                                  # 100: 100, 50, 25, 4
    pooled = L.Pooling(L.ReLU(L.Convolution(top, num_output=2, kernel_size=3, pad=1)),
                       kernel_size=2, stride=2)
    small = L.Interp(L.Pooling(pooled, kernel_size=2, stride=2), shrink_factor=8)
    _, scale, _ = coord_map(small.fn)
    assert scale.tolist() == [Fraction(3, 24)] * 2
    _, scale, _ = coord_map(L.Interp(pooled, shrink_factor=8).fn)             # 50 becomes 7
    assert scale.tolist() == [Fraction(6, 49)] * 2


def test_interp_of_an_open_size():
    """Zooming is the same for every size; shrinking is refused rather than guessed."""
    top = L.Python(module='m', layer='Data')
    assert coord_map(L.Interp(top, zoom_factor=8).fn).scale == 8
    with pytest.raises(UndefinedMapException, match='Interp: .*give it an Input with a shape'):
        coord_map(L.Interp(top, shrink_factor=8).fn)
    _, scale, _ = coord_map(L.Interp(top, shrink_factor=8).fn, [(1, 3, 321, 100)])
    assert scale.tolist() == [Fraction(1, 8), Fraction(12, 99)]
    with pytest.raises(UndefinedMapException, match='5 becomes 1; one row or column'):
        coord_map(L.Interp(top, shrink_factor=8).fn, [(1, 3, 5, 5)])


def test_crop_refuses_what_only_seems_to_fit():
    """Shrinking 100 by 8 and zooming by 8 gives 97 rows over 100: no crop lays them together."""
    top = data()
    back = L.Interp(L.Interp(top, shrink_factor=8), zoom_factor=8)
    with pytest.raises(AlignmentError, match='scale mismatch'):
        crop(back, top)
    fits = L.Interp(L.Interp(L.Crop(top, L.Input(shape=dict(dim=[1, 3, 97, 97])), offset=2),
                             shrink_factor=8), zoom_factor=8)
    assert crop(top, fits).fn.params['crop_param']['offset'] == [2, 2]


def test_padding_shifts():
    top = data()
    _, scale, shift = coord_map_from_to(L.Padding(top, pad_beg=-7, pad_end=-8), top)
    assert (scale, shift) == (1, 7)


def test_rectangular_maps_are_their_sides():
    top = data()
    conv = L.Convolution(top, kernel_size=[3, 5], stride=[1, 2], pad=[0, 10])
    _, scale, shift = coord_map_from_to(conv, top)
    assert scale.tolist() == [1, 2] and shift.tolist() == [1, -8]


@pytest.mark.parametrize('stride', [3, 7, 49, 107])
def test_no_stride_is_lost_to_rounding(stride):
    top = data()
    pooled = L.Pooling(L.Convolution(top, kernel_size=stride, stride=stride, pad=stride),
                       kernel_size=3, stride=stride)
    up = L.Deconvolution(pooled, convolution_param=dict(kernel_size=1, stride=stride * stride))
    _, scale, shift = coord_map_from_to(up, top)
    assert scale == 1 and shift == (stride - 1) / 2  # pool and pad cancel; half the first window


def upsampled(**deconvolution) -> NetSpec:
    """data, a convolution to a third of the size, and an upsampling of it."""
    n = NetSpec()
    n.data = data()
    n.conv = L.Convolution(n.data, kernel_size=3, stride=3)
    n.up = L.Deconvolution(n.conv, convolution_param=deconvolution)
    return n


def test_crop_writes_axis_and_offset():
    n = upsampled(kernel_size=7, stride=3)
    n.score = crop(n.up, n.data)
    layer = n.to_proto().layer[-1]
    assert (layer.type, list(layer.bottom)) == ('Crop', ['up', 'data'])
    assert (layer.crop_param.axis, list(layer.crop_param.offset)) == (2, [2])


def test_crop_of_tops_with_the_same_coordinates():
    top = data()
    assert crop(L.ReLU(top), top).fn.params == dict(crop_param=dict(axis=2, offset=[0]))


def test_crop_offset_for_each_side():
    n = upsampled(kernel_size=[5, 7], stride=[3, 3])
    assert crop(n.up, n.data).fn.params['crop_param']['offset'] == [1, 2]


def test_only_the_cropped_bottom_is_walked():
    top, other = data(), data()
    with pytest.raises(AlignmentError):
        coord_map_from_to(L.Crop(top, other), other)


@pytest.mark.parametrize('up, text', [
    (dict(kernel_size=4, stride=2), "scale mismatch on crop of 'up' .Deconvolution. to 'data' "
                                    '.Input.: one step of the first is 3/2 steps'),
    (dict(kernel_size=3, stride=3, pad=1), "negative offset -1 on crop of 'up'"),
    (dict(kernel_size=6, stride=3), "noninteger offset 3/2 on crop of 'up'")])
def test_tops_that_cannot_be_laid_on_one_another(up, text):
    n = upsampled(**up)
    with pytest.raises(AlignmentError, match=text):
        crop(n.up, n.data)


def test_tops_without_a_common_ancestor_say_where_the_way_ends():
    n = upsampled(kernel_size=3, stride=3)
    n.ip = L.InnerProduct(n.up, num_output=2)
    with pytest.raises(AlignmentError, match="'ip'.*ends at InnerProduct, .* at Input"):
        crop(n.ip, n.data)


@pytest.mark.parametrize('kind', [AssertionError, RuntimeError, ValueError])
def test_the_error_is_what_pycaffe_raises(kind):
    with pytest.raises(kind):
        crop(data(), data())


def test_residual_blocks_agree_on_both_ways():
    top = data()
    way = L.Convolution(L.Convolution(top, kernel_size=1, stride=2), kernel_size=3, pad=1)
    merged = L.Eltwise(L.Convolution(top, kernel_size=1, stride=2), way, operation=P.Eltwise.SUM)
    _, scale, shift = coord_map_from_to(merged, top)
    assert (scale, shift) == (2, 0)


@pytest.mark.parametrize('scale', [2, 3])
def test_unpooling_leads_back_to_where_the_pooling_began(scale):
    top = data()
    pooled, mask = L.Pooling(top, kernel_size=scale, stride=scale, ntop=2)
    _, factor, shift = coord_map_from_to(L.Upsample(pooled, mask, scale=scale), top)
    assert factor == 1 and shift == 0


def test_a_pooling_with_holes_lies_where_its_reach_does():
    top = L.Input(shape=dict(dim=[1, 3, 50, 50]))
    pooled = L.Pooling(top, kernel_size=3, stride=2, pad=1, dilation=4)
    _, scale, shift = coord_map_from_to(pooled, top)
    assert (scale == 2).all() and (shift == 3).all()       # a reach of 9, from -1 on: centre 3
