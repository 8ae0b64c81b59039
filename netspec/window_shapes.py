"""The shapes of tops that a window or a factor makes out of an image: more rules like those of
netspec.layer_shapes (Caffe: Reshape of the vision layers; DeepLab's and SegNet's forks).
"""

from collections.abc import Sequence

from netspec.layer_shapes import (
    Shape,
    agree,
    alike,
    canonical,
    four_axes,
    known_prod,
    known_sum,
    named,
)
from netspec.schema.messages import InterpParameter, LayerParameter, PoolingParameter
from netspec.window import Dim, Size, pool_window, pooled_sizes, window


def convolution(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Convolution: as many values as its window fits; Deconvolution: the other way round."""
    param, shape = layer.convolution_param, alike(layer, bottoms)[0]
    axis = canonical(param.axis, len(shape))
    held = window(param, len(shape) - axis - 1)
    size = shape[axis + 1:]
    out = held.spreads(size) if layer.type == 'Deconvolution' else held.slides(size)
    return [(*shape[:axis], param.num_output, *out)] * len(bottoms)


def im2col(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """The window's places become channels."""
    param, shape = layer.convolution_param, bottoms[0]
    axis = canonical(param.axis, len(shape))
    held = window(param, len(shape) - axis - 1)
    columns = known_prod([shape[axis], *held.kernel])
    return [(*shape[:axis], columns, *held.slides(shape[axis + 1:]))]


def pooling(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Rounded up, unless round_mode is FLOOR; MAX's second top, the places, is as large."""
    param, shape = layer.pooling_param, four_axes(layer, bottoms)
    held = pool_window(param)
    out = (1, 1) if held is None else pooled_sizes(
        shape[2:], held.extent, held.stride, held.pad, param.round_mode == PoolingParameter.CEIL)
    return [(*shape[:2], *out)] * len(layer.top)


def bins(size: int, number: int) -> tuple[int, int]:
    """Return kernel and padding that cut `size` into a number of bins: SPP's rounding."""
    kernel = -(-size // number)
    return kernel, (kernel * number - size + 1) // 2


def check_pyramid(height: int, sizes: Sequence[Dim]) -> None:
    """Raise ValueError where a level of an SPP has more bins than the image has rows or columns,
    and so one that lies in the padding alone (Caffe: the padding must be below the kernel).
    """
    for size in sizes:
        most = 31 if size is None else size.bit_length()
        if not 1 <= height <= most:
            raise ValueError(f'pyramid_height is {height}; expected 1 to {most}, for level i cuts '
                             f'{"each side" if size is None else size} into 2^i bins')


def spp(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Pools of 1 x 1, 2 x 2, 4 x 4, … side by side in one row; a single one keeps its 4 axes."""
    height, shape = layer.spp_param.pyramid_height, four_axes(layer, bottoms)
    check_pyramid(height, shape[2:])
    if height == 1:
        return [(*shape[:2], 1, 1)]
    counts = [known_prod([shape[1], *(_bin_count(size, 2 ** level) for size in shape[2:])])
              for level in range(height)]
    return [(shape[0], known_sum(counts))]


def _bin_count(size: Dim, number: int) -> Dim:
    if size is None:
        return None
    kernel, pad = bins(size, number)
    return pooled_sizes([size], (kernel,), (kernel,), (pad,), True)[0]


def upsample(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """SegNet's Upsample: the size given, or scale times the bottom less the padding."""
    param, shape = layer.upsample_param, four_axes(layer, bottoms)
    if not agree(shape, bottoms[1]):
        raise ValueError(f'values {list(shape)} and mask {list(bottoms[1])} must have the same 4 '
                         'axes: num, channels, height, width')
    if param.HasField('upsample_h'):
        return [(*shape[:2], param.upsample_h, param.upsample_w)]
    scales = (param.scale_h, param.scale_w) if param.HasField('scale_h') else (param.scale,) * 2
    less = (param.pad_out_h, param.pad_out_w)
    return [(*shape[:2], *(n if n is None else n * s - odd for n, s, odd in
                           zip(shape[2:], scales, less, strict=True)))]


def interp_size(param: InterpParameter, size: Size, fixed: int) -> Size:
    """Return what DeepLab's Interp makes of an axis: shrunk, then zoomed, or `fixed`.

    size: after pad_beg and pad_end. shrink: (n - 1) / s + 1, rounded down; zoom:
    n + (n - 1) (z - 1). One factor alone comes before height and width, both after.
    """
    shrink, zoom = param.HasField('shrink_factor'), param.HasField('zoom_factor')
    if param.HasField('height') and param.HasField('width') and shrink == zoom:
        return fixed
    if size is None:
        return size
    if shrink:
        size = (size - 1) // param.shrink_factor + 1
    return size + (size - 1) * (param.zoom_factor - 1) if zoom else size


def interp(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """Cropped by pad_beg and pad_end, then resized."""
    param, shape = layer.interp_param, four_axes(layer, bottoms)
    inner = [n if n is None else n + param.pad_beg + param.pad_end for n in shape[2:]]
    outer = [interp_size(param, n, fixed)
             for n, fixed in zip(inner, (param.height, param.width), strict=True)]
    if any(n is not None and n < 1 for n in inner + outer):
        raise ValueError(f'bottom {named(layer, bottoms, 0)} is {inner} after cropping and '
                         f'{outer} resized; expected at least 1')
    return [(*shape[:2], *outer)]


def padding(layer: LayerParameter, bottoms: list[Shape]) -> list[Shape]:
    """DeepLab's Padding: so many rows and columns more, or less."""
    param, shape = layer.padding_param, four_axes(layer, bottoms)
    size = [n if n is None else n + param.pad_beg + param.pad_end for n in shape[2:]]
    if any(n is not None and n < 1 for n in size):
        raise ValueError(f'bottom {named(layer, bottoms, 0)} is {size} after padding by '
                         f'{param.pad_beg} and {param.pad_end}; expected at least 1')
    return [(*shape[:2], *size)]
