"""The sliding windows of convolutions and poolings, Caffe's checks of them, and their counts."""

import pytest
from google.protobuf import text_format

from netspec.schema.messages import ConvolutionParameter, PoolingParameter
from netspec.window import PoolWindow, Window, pool_window, pooled_sizes, window


def read(text: str, axes: int) -> Window:
    return window(text_format.Parse(text, ConvolutionParameter()), axes)


@pytest.mark.parametrize('text, axes, expected', [
    ('kernel_size: 3', 2, Window((3, 3), (1, 1), (0, 0), (1, 1))),
    ('kernel_size: 3 kernel_size: 5 pad: 1 pad: 2 stride: 2 dilation: 1 dilation: 3', 2,
     Window((3, 5), (2, 2), (1, 2), (1, 3))),
    ('kernel_h: 3 kernel_w: 1 pad_h: 1 stride_h: 2 stride_w: 4', 2,
     Window((3, 1), (2, 4), (1, 0), (1, 1))),
    ('kernel_size: 4 stride: 3', 1, Window((4,), (3,), (0,), (1,))),
    ('kernel_size: 2 kernel_size: 3 kernel_size: 4 force_nd_im2col: true', 3,
     Window((2, 3, 4), (1, 1, 1), (0, 0, 0), (1, 1, 1))),
    ('kernel_size: 3', 0, Window((), (), (), ())),
])
def test_window_is_read(text, axes, expected):
    assert read(text, axes) == expected


@pytest.mark.parametrize('text, axes, words', [
    ('', 2, 'kernel_size is given 0 time'),
    ('kernel_size: 3 kernel_size: 3 kernel_size: 3', 2, 'kernel_size is given 3 time'),
    ('kernel_size: 3 kernel_h: 3 kernel_w: 3', 2, 'both kernel_size and kernel_h'),
    ('kernel_h: 3 kernel_w: 3', 3, 'for 2 spatial axes'),
    ('kernel_h: 3', 2, 'kernel is'),
    ('kernel_size: 0', 2, 'kernel is'),
    ('kernel_size: 3 stride: 0', 2, 'stride is'),
    ('kernel_size: 3 stride_h: 2', 2, 'stride is'),
    ('kernel_size: 3 stride: 1 stride_h: 2 stride_w: 2', 2, 'both stride and stride_h'),
    ('kernel_size: 3 pad: 1 pad_h: 2', 2, 'both pad and pad_h'),
    ('kernel_size: 3 pad: 1 pad: 1 pad: 1', 2, 'pad is given 3 time'),
    ('kernel_size: 3 dilation: 0', 2, 'dilation is'),
])
def test_checks_name_the_field(text, axes, words):
    with pytest.raises(ValueError, match=words):
        read(text, axes)


@pytest.mark.parametrize('size, slides, overhang', [
    (11, 4, 0), (10, 3, 0), (5, 1, 0), (4, 1, 1),
])
def test_slides_round_down_and_towards_zero(size, slides, overhang):
    held = Window((3,), (2,), (0,), (2,))   # reaches over 5
    assert held.slides([size]) == (slides,)
    assert held.overhang([size]) == (overhang,)


def test_a_bottom_smaller_than_the_kernel_is_named():
    with pytest.raises(ValueError, match=r'spatial size \[3\].*reaches over \[5\]'):
        Window((3,), (2,), (0,), (2,)).slides([3])


@pytest.mark.parametrize('size, kernel, stride, pad, ceil, expected', [
    (6, 2, 2, 0, True, 3),
    (7, 2, 2, 0, True, 4),      # rounded up: the last window has one column
    (7, 2, 2, 0, False, 3),
    (7, 3, 2, 1, True, 4),
    (6, 3, 2, 1, True, 4),
    (4, 2, 2, 1, True, 3),
    (5, 2, 2, 1, True, 3),      # 4 by rounding up; the last would begin past image and padding
    (5, 1, 3, 0, True, 3),      # without padding nothing is clipped: the last one is empty
    (3, 4, 2, 0, True, 1),      # a kernel larger than the image
])
def test_output_size(size, kernel, stride, pad, ceil, expected):
    assert pooled_sizes((size,) * 2, (kernel,) * 2, (stride,) * 2, (pad,) * 2, ceil) == (
        expected, expected)


def test_padding_of_one_axis_clips_both():
    assert pooled_sizes((5, 5), (1, 3), (3, 3), (0, 1), True) == (2, 2)
    assert pooled_sizes((5, 5), (1, 3), (3, 3), (0, 0), True) == (3, 2)


def test_an_empty_top_is_refused():
    with pytest.raises(ValueError, match='2 x 9 is too small for the kernel 4 x 4'):
        pooled_sizes((2, 9), (4, 4), (1, 1), (0, 0), True)


def test_sizes_that_are_not_known_stay_open():
    held = Window((3, 3), (2, 2), (1, 1), (1, 1))
    assert held.slides([None, 9]) == (None, 5) and held.spreads([None, 9]) == (None, 17)
    assert pooled_sizes((None, 9), (2, 2), (2, 2), (0, 0), True) == (None, 5)


@pytest.mark.parametrize(('text', 'expected'), [
    ('kernel_size: 3 dilation: 2', PoolWindow((3, 3), (1, 1), (0, 0), (2, 2))),
    ('kernel_size: 2 stride: 2 dilation: 1 dilation: 4 pad: 1',
     PoolWindow((2, 2), (2, 2), (1, 1), (1, 4))),
    ('kernel_size: 2 dilation: 4 pad: 4', PoolWindow((2, 2), (1, 1), (4, 4), (4, 4)))])
def test_a_pooling_with_holes(text, expected):
    assert pool_window(text_format.Parse(text, PoolingParameter())) == expected


@pytest.mark.parametrize(('text', 'said'), [
    ('kernel_size: 3 dilation: 0', r'dilation is \[0\]; expected'),
    ('kernel_size: 3 dilation: 1 dilation: 2 dilation: 3', r'dilation is \[1, 2, 3\]'),
    ('kernel_size: 3 dilation: 2 pool: STOCHASTIC', 'for MAX and AVE pooling'),
    ('global_pooling: true dilation: 2', 'no dilation may be given'),
    ('kernel_size: 2 dilation: 4 pad: 5', r'padding \[5, 5\] must be smaller than .*\[5, 5\]')])
def test_holes_that_cannot_be(text, said):
    with pytest.raises(ValueError, match=said):
        pool_window(text_format.Parse(text, PoolingParameter()))
