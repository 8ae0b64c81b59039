"""The sliding window that ConvolutionParameter describes, and Caffe's checks of it."""

import pytest
from google.protobuf import text_format

from netspec.schema.messages import ConvolutionParameter
from port.engine.window import Window, window


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
