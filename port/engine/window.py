"""The sliding window that ConvolutionParameter describes (Caffe's base_conv_layer.cpp)."""

from collections.abc import Sequence
from dataclasses import dataclass

from netspec.schema.messages import ConvolutionParameter

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Kernel, stride, pad and dilation, one of each a spatial axis."""

    kernel: Sizes
    stride: Sizes
    pad: Sizes
    dilation: Sizes

    @property
    def extent(self) -> Sizes:
        """How far the kernel reaches: dilation (kernel - 1) + 1."""
        return tuple(d * (k - 1) + 1 for k, d in zip(self.kernel, self.dilation, strict=True))

    def slides(self, sizes: Sequence[int]) -> Sizes:
        """Return how many times it fits along each axis: (size + 2 pad - extent) / stride + 1.

        The quotient is C++'s, towards zero: an image short of the extent by less than the stride
        still gives one output, whose window overhangs the padding.
        """
        rests = [n + 2 * p - e for n, p, e in zip(sizes, self.pad, self.extent, strict=True)]
        out = tuple(int(r / s) + 1 for r, s in zip(rests, self.stride, strict=True))
        if any(n < 1 for n in out):
            raise ValueError(f'the bottom of spatial size {list(sizes)} with padding '
                             f'{list(self.pad)} is smaller than the kernel, which reaches over '
                             f'{list(self.extent)}')
        return out

    def overhang(self, sizes: Sequence[int]) -> Sizes:
        """Return by how much the first window passes the padded end of each axis (mostly 0)."""
        return tuple(max(0, e - n - 2 * p)
                     for n, p, e in zip(sizes, self.pad, self.extent, strict=True))


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
