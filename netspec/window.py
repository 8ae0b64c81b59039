"""The sliding windows that ConvolutionParameter and PoolingParameter describe, and how many of
them an image holds (Caffe's base_conv_layer.cpp, conv_layer.cpp, deconv_layer.cpp and
pooling_layer.cpp). A size that is not known is None, and so is what follows from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from netspec.schema.messages import ConvolutionParameter, PoolingParameter

Dim = int | None
Size = TypeVar('Size', int, Dim)
Sizes = tuple[int, ...]
Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Kernel, stride, pad and dilation, one of each a spatial axis."""

    kernel: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes

    @cached_property
    def extent(self) -> Sizes:
        """How far the kernel reaches: dilation (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def slides(self, sizes: Sequence[Size]) -> tuple[Size, ...]:
        """Return how many times it fits along each axis: (size + 2 pad - extent) / stride + 1.

        The quotient is C++'s, towards zero: an image short of the extent by less than the stride
        still gives one output, whose window overhangs the padding.
        """
        out = tuple(n if n is None else int((n + 2 * p - e) / s) + 1 for n, p, e, s
                    in zip(sizes, self.pad, self.extent, self.stride, strict=True))
        if any(n is not None and n < 1 for n in out):
            raise ValueError(f'the bottom of spatial size {list(sizes)} with padding '
                             f'{list(self.pad)} is smaller than the kernel, which reaches over '
                             f'{list(self.extent)}')
        return out

    def spreads(self, sizes: Sequence[Size]) -> tuple[Size, ...]:
        """Return the sizes of a transposed convolution: stride (size - 1) + extent - 2 pad."""
        out = tuple(n if n is None else s * (n - 1) + e - 2 * p for n, s, e, p
                    in zip(sizes, self.stride, self.extent, self.pad, strict=True))
        if any(n is not None and n < 1 for n in out):
            raise ValueError(f'the bottom of spatial size {list(sizes)} gives a top of '
                             f'{list(out)}: the padding {list(self.pad)} is too large')
        return out

    def overhang(self, sizes: Sequence[int]) -> Sizes:
        """Return by how much the first window passes the padded end of each axis (mostly 0)."""
        return tuple(max(0, e - n - 2 * p)
                     for n, p, e in zip(sizes, self.pad, self.extent, strict=True))


@dataclass(frozen=True)
class PoolWindow(Window):
    """The window of a pooling: over rows and columns."""

    kernel: Pair
    stride: Pair
    pad: Pair
    dilation: Pair = (1, 1)


def _sizes(p: ConvolutionParameter, field: str, axes: int, default: int | None) -> Sizes:
    """Return a repeated field, or its _h and _w, as one number a spatial axis."""
    short = field.removesuffix('_size')
    values = list(getattr(p, field))
    if short != 'dilation' and (p.HasField(f'{short}_h') or p.HasField(f'{short}_w')):
        if axes != 2:
            raise ValueError(f'{short}_h and {short}_w are for 2 spatial axes; the bottom has '
                             f'{axes}: use {field}, once for each')
        if values:
            raise ValueError(f'both {field} and {short}_h, {short}_w are given; expected either')
        return getattr(p, f'{short}_h'), getattr(p, f'{short}_w')
    if not values and default is not None:
        values = [default]
    if len(values) not in (1, axes):
        raise ValueError(f'{field} is given {len(values)} time(s) for {axes} spatial axes; '
                         'expected once, or once for each')
    return tuple(values) * axes if len(values) == 1 else tuple(values)


def window(p: ConvolutionParameter, axes: int) -> Window:
    """Read the window for a number of spatial axes; ValueError where Caffe's checks fail."""
    found = Window(_sizes(p, 'kernel_size', axes, None), _sizes(p, 'stride', axes, 1),
                   _sizes(p, 'pad', axes, 0), _sizes(p, 'dilation', axes, 1))
    for what, sizes in (('kernel', found.kernel), ('stride', found.stride),
                        ('dilation', found.dilation)):
        if 0 in sizes:
            raise ValueError(f'{what} is {list(sizes)}; expected sizes of at least 1')
    return found


def spatial_axes(p: ConvolutionParameter | PoolingParameter) -> int:
    """Return how many spatial axes the fields speak of: 1 where each is given once or not."""
    given = {field.name: value for field, value in p.ListFields()}
    if any(name.endswith(('_h', '_w')) for name in given):
        return 2
    lists = [given[name] for name in ('kernel_size', 'stride', 'pad', 'dilation') if name in given]
    return max([1, *(len(value) for value in lists if not isinstance(value, int))])


def pool_window(p: PoolingParameter) -> PoolWindow | None:
    """Read the window of a pooling over rows and columns; None if it is the whole image.

    Raises ValueError where Caffe's checks fail.
    """
    stride, pad = _pair(p, 'stride'), _pair(p, 'pad')
    if 0 in stride:
        raise ValueError(f'stride is {list(stride)}; expected at least 1')
    if p.global_pooling:
        if p.dilation:
            raise ValueError('global_pooling takes the whole image; no dilation may be given')
        if any(map(p.HasField, ('kernel_size', 'kernel_h', 'kernel_w'))):
            raise ValueError('global_pooling takes the whole image; no kernel may be given')
        if stride != (1, 1) or pad != (0, 0):
            raise ValueError('global_pooling takes only pad 0 and stride 1')
        return None
    found = PoolWindow(_pool_kernel(p), stride, pad, _pool_dilation(p))
    _check_pool_pad(p, found)
    return found


def _pool_dilation(p: PoolingParameter) -> Pair:
    """Return our own field, given once or once for rows and columns."""
    values = list(p.dilation) or [1]
    if len(values) > 2 or 0 in values:
        raise ValueError(f'dilation is {values}; expected one number of at least 1, or two: for '
                         'rows and for columns')
    if p.pool == PoolingParameter.STOCHASTIC and {*values} != {1}:
        raise ValueError('dilation is for MAX and AVE pooling, not for STOCHASTIC')
    return values[0], values[-1]


def _pool_kernel(p: PoolingParameter) -> Pair:
    sides = p.HasField('kernel_h') and p.HasField('kernel_w')
    if p.HasField('kernel_size') == sides:
        raise ValueError('the kernel must be given as kernel_size, or as kernel_h and '
                         'kernel_w; not both')
    pair = (p.kernel_h, p.kernel_w) if sides else (p.kernel_size,) * 2
    if 0 in pair:
        raise ValueError(f'the kernel is {list(pair)}; expected at least 1')
    return pair


def _pair(p: PoolingParameter, name: str) -> Pair:
    """Return stride or pad, given once or as its _h and _w."""
    sides = [p.HasField(f'{name}_h'), p.HasField(f'{name}_w')]
    if not any(sides):
        return (getattr(p, name),) * 2
    if p.HasField(name) or not all(sides):
        raise ValueError(f'{name} must be given as {name}, or as {name}_h and {name}_w; '
                         'not as a mixture')
    return getattr(p, f'{name}_h'), getattr(p, f'{name}_w')


def _check_pool_pad(p: PoolingParameter, found: Window) -> None:
    if any(found.pad) and p.pool == PoolingParameter.STOCHASTIC:
        raise ValueError('padding is for MAX and AVE pooling, not for STOCHASTIC')
    if any(pad and pad >= extent for pad, extent in zip(found.pad, found.extent, strict=True)):
        raise ValueError(f'padding {list(found.pad)} must be smaller than the kernel '
                         f'{list(found.extent)}')


def pooled_sizes(sizes: Sequence[Size], kernel: Sizes, stride: Sizes, pad: Sizes,
                 ceil: bool) -> tuple[Size, ...]:
    """Return the pooled height and width; kernel: how far the windows reach.

    (size + 2 pad - kernel) / stride + 1, rounded up or down; with padding, a last window that
    would begin past the image and its leading padding is dropped (both axes, if either is padded).
    """
    out: list[Size] = []
    for n, k, s, p in zip(sizes, kernel, stride, pad, strict=True):
        if n is None:
            out.append(n)
            continue
        rest = n + 2 * p - k
        count = (-(-rest // s) if ceil else rest // s) + 1
        out.append(count - 1 if any(pad) and (count - 1) * s >= n + p else count)
    if any(n is not None and n < 1 for n in out):
        raise ValueError(f'the bottom of {sizes[0]} x {sizes[1]} is too small for the kernel '
                         f'{kernel[0]} x {kernel[1]} with stride {stride[0]} x {stride[1]} and '
                         f'padding {pad[0]} x {pad[1]}: the top would be {out[0]} x {out[1]}')
    return tuple(out)
