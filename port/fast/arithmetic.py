"""What each kind of operation computes, on whole tensors or on the parts that a plan asks for."""

import copy
from collections import OrderedDict

import torch
import torch.nn.functional as F

from netspec.schema.messages import PoolingParameter
from port.engine.blob import Blob
from port.engine.caffe_order import ENOUGH
from port.engine.layer import Layer
from port.engine.pool_axis import Axis, maximum, total
from port.engine.window import Window
from port.fast.geometry import Span
from port.fast.graphs import keep
from port.fast.plan import Step
from port.fast.program import Op
from port.layers.deconvolution import is_diagonal, own_kernels

Pads = tuple[int, int, int, int]      # left, right, above, below, as F.pad takes them
NONE: Pads = (0, 0, 0, 0)
LARGE = 1 << 22     # values of a weight
MATRICES = 8        # upsampling matrices kept, for as many sizes and axes


def check_channels(op: Op, x: torch.Tensor) -> None:
    """Raise ValueError unless a bottom has the channels that an operation's weights are for."""
    if op.kind in ('Convolution', 'Deconvolution') and x.shape[1] != op.layer.channels:
        raise ValueError(f'layer {op.name!r}: its bottom has {x.shape[1]} channels; the kernel is '
                         f'for {op.layer.channels}')


def pads_of(reads: list[Span], sizes: list[int]) -> Pads:
    """Return how far a span lies outside the canvas on each side."""
    (rows, columns), (height, width) = reads, sizes
    return (max(0, -columns.first), max(0, columns.last - width), max(0, -rows.first),
            max(0, rows.last - height))


def pool(layer: Layer, x: torch.Tensor, step: Step, inner: list[Span]) -> torch.Tensor:
    """Pool the part of a bottom that the windows of `inner` cover within the canvas."""
    axes = [Axis(dim, x.shape[dim], r.extent, r.stride, max(0, r.pad - s.first * r.stride),
                 s.size) for dim, r, s in zip((-2, -1), step.rules, inner, strict=True)]
    if layer.method == PoolingParameter.MAX:
        return maximum(x, *axes)
    y = total(x, *axes)
    for axis, rule, size, s in zip(axes, step.rules, step.sizes, inner, strict=True):
        whole = Axis(axis.dim, size, rule.extent, rule.stride, rule.pad, rule.out)
        divisor = whole.divisor(x)
        y /= divisor if isinstance(divisor, int) else whole.cut(divisor, slice(*s))
    return y


def pointwise(layer: Layer, bottoms: list[torch.Tensor]) -> torch.Tensor:
    """Run a layer on tensors of any size, in float32, leaving the layer in its net as it is."""
    dtype, twin = bottoms[0].dtype, copy.copy(layer)
    blobs = []
    for x in bottoms:
        blob = Blob('bottom', tuple(x.shape), torch.float32, x.device)
        blob.data = x.float()
        blobs.append(blob)
    top = Blob('top', (), torch.float32, bottoms[0].device)
    twin.reshape(blobs, [top])
    twin.forward(blobs, [top])
    return top.data.to(dtype)


def halve(y: torch.Tensor) -> torch.Tensor:
    """Return the maxima of 2 x 2, those at the end of what is there."""
    return F.max_pool2d(y, 2, 2, ceil_mode=True)


def convolve(layer: Layer, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None,
             pads: Pads) -> torch.Tensor:
    """Convolve what is padded by `pads` here."""
    w = layer.window
    x, pad = padded(x, pads, w)
    return F.conv2d(x, weight, bias, w.stride, pad, w.dilation, layer.group)


def padded(x: torch.Tensor, pads: Pads, window: Window) -> tuple[torch.Tensor, tuple[int, int]]:
    """Return what to convolve, and the padding of rows and columns that is left to torch.

    None is where two sides differ, and where a window may read nothing but padding.
    """
    left, right, above, below = pads
    if left != right or above != below or narrow(x, window):
        return F.pad(x, pads), (0, 0)
    return x, (above, left)


def narrow(x: torch.Tensor, window: Window) -> bool:
    """Whether an axis is shorter than a step of the window, which may then read nothing but
    padding: that breaks oneDNN's kernels for channels last (NaN, or the process ends).
    """
    return any(size < max(steps) for size, *steps in zip(x.shape[2:], window.stride,
                                                         window.dilation, strict=True))


def is_large(layer: Layer) -> bool:
    """Whether a convolution's weights are better multiplied as one matrix than reordered."""
    w = layer.window
    return (layer.group == 1 and {*w.stride, *w.dilation} == {1}
            and layer.blobs[0].count >= LARGE)


def columns(x: torch.Tensor, kernel: tuple[int, ...]) -> torch.Tensor:
    """Return one row of channels x window for each position of a window within x."""
    if tuple(kernel) == (1, 1):
        return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])
    return F.unfold(x.contiguous(), kernel).transpose(1, 2).flatten(0, 1)


def product(layer: Layer, x: torch.Tensor, weight: torch.Tensor,
            bias: torch.Tensor | None) -> torch.Tensor:
    """Convolve without padding, stride and dilation by one product of matrices."""
    rows, matrix = columns(x, layer.window.kernel), weight.flatten(1).T
    few = len(rows)
    if 1 < few < ENOUGH:
        rows = F.pad(rows, (0, 0, 0, ENOUGH - few))
    y = (rows @ matrix if bias is None else torch.addmm(bias, rows, matrix))[:few]
    sizes = [n - k + 1 for n, k in zip(x.shape[2:], layer.window.kernel, strict=True)]
    return y.view(x.shape[0], *sizes, -1).permute(0, 3, 1, 2)


# -- upsampling ------------------------------------------------------------------------------------

class Upsampling:
    """A Deconvolution from a part of its bottom to a part of its top.

    Where every channel has the same separable kernel onto itself, as bilinear upsampling has, it
    is two products with matrices of one axis each.
    """

    TOLERANCE = 1e-7     # of the kernel's largest value: what two float32 factors can promise

    def __init__(self, layer: Layer) -> None:
        self.layer = layer
        weight = layer.blobs[0].data
        self.factors = self._separate(weight)
        self._matrices: OrderedDict[tuple, torch.Tensor] = OrderedDict()
        self.own = layer.group == 1 and weight.shape[0] == weight.shape[1] and is_diagonal(weight)

    def _kernels(self, weight: torch.Tensor) -> torch.Tensor | None:
        layer = self.layer
        if layer.window.dilation != (1, 1) or len(layer.blobs) > 1:
            return None
        if layer.group == layer.channels == layer.num_output:
            return weight[:, 0]
        if layer.group == 1 and weight.shape[0] == weight.shape[1] and is_diagonal(weight):
            return own_kernels(weight)[:, 0]
        return None

    def _separate(self, weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
        kernels = self._kernels(weight)
        if kernels is None or not bool((kernels == kernels[0]).all()):
            return None
        kernel = kernels[0].double()
        peak = kernel.abs().max()
        if peak == 0:
            return None
        row, column = divmod(int(kernel.abs().argmax()), kernel.shape[1])
        down, across = kernel[:, column], kernel[row] / kernel[row, column]
        apart = (torch.outer(down, across) - kernel).abs().max()
        return (down, across) if apart <= self.TOLERANCE * peak else None

    def _matrix(self, factor: torch.Tensor, axis: int, out: Span, read: Span,
                like: torch.Tensor) -> torch.Tensor:
        """Return outputs x inputs with the factor's value where an input reaches an output."""
        key = axis, out, read, like.device, like.dtype
        found = self._matrices.pop(key, None)
        if found is None:
            found = self._make(factor, axis, out, read).to(like.device, like.dtype)
        self._matrices[key] = found
        if len(self._matrices) > MATRICES:
            self._matrices.popitem(last=False)       # the one that was not used for longest
        return keep(found)

    def _make(self, factor: torch.Tensor, axis: int, out: Span, read: Span) -> torch.Tensor:
        w = self.layer.window
        o = torch.arange(*out)[:, None] + w.pad[axis]
        place = o - torch.arange(*read) * w.stride[axis]
        there = (place >= 0) & (place < len(factor))
        return factor.cpu()[place.clamp(0, len(factor) - 1)] * there

    def __call__(self, x: torch.Tensor, out: list[Span], reads: list[Span]) -> torch.Tensor:
        """Return the outputs `out` from x, the inputs `reads`."""
        if self.factors is None:
            return self._transposed(x, out, reads)
        down, across = (self._matrix(f, i, out[i], reads[i], x)
                        for i, f in enumerate(self.factors))
        return down @ (x.contiguous() @ across.T)

    def transposed(self, gradient: torch.Tensor, out: list[Span],
                   reads: list[Span]) -> torch.Tensor:
        """Return the gradient of the inputs `reads` from that of the outputs `out`."""
        if self.factors is not None:
            down, across = (self._matrix(f, i, out[i], reads[i], gradient)
                            for i, f in enumerate(self.factors))
            return down.T @ (gradient.contiguous() @ across)
        layer, w = self.layer, self.layer.window
        weight, group = layer.blobs[0].data.to(gradient.dtype), layer.group
        if self.own:
            weight, group = own_kernels(weight), layer.channels
        pads = []
        for axis in (1, 0):
            first = out[axis].first - (reads[axis].first * w.stride[axis] - w.pad[axis])
            span = (reads[axis].size - 1) * w.stride[axis] + w.extent[axis]
            pads += [first, span - first - out[axis].size]
        return F.conv2d(F.pad(gradient, pads), weight, None, w.stride, 0, w.dilation, group)

    def _transposed(self, x: torch.Tensor, out: list[Span], reads: list[Span]) -> torch.Tensor:
        layer, w = self.layer, self.layer.window
        weight = layer.blobs[0].data.to(x.dtype)
        weight, group = (own_kernels(weight), layer.channels) if self.own else (weight,
                                                                                layer.group)
        y = F.conv_transpose2d(x, weight, None, w.stride, 0, 0, group, w.dilation)
        for dim, (o, r) in enumerate(zip(out, reads, strict=True), 2):
            first = o.first - (r.first * w.stride[dim - 2] - w.pad[dim - 2])
            y = y.narrow(dim, first, o.size)
        return y + layer.blobs[1].data.to(x.dtype).view(-1, 1, 1) if len(layer.blobs) > 1 else y
