"""Weights over a sliding window, for Convolution and Deconvolution (BaseConvolutionLayer)."""

from collections.abc import Sequence
from math import prod

import torch

from netspec.schema.messages import ConvolutionParameter
from netspec.window import Sizes, window
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.onnx.graph_builder import Graph

FARTHEST = 1 << 20       # what stride, padding and dilation may be


class ConvBase(Layer):
    """Weights [and a bias] over a sliding window, shared by all bottoms.

    Everything before `axis` counts as the batch. Subclasses say which way the weights map.
    """

    transposed = False
    MOST_AXES = 3  # what torch's convolutions take

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.convolution_param
        shape = bottom[0].shape
        self.channel_axis = self.axis(p.axis, len(shape))
        self.spatial_axes = len(shape) - self.channel_axis - 1
        if self.spatial_axes > self.MOST_AXES:
            raise ValueError(f'{self.spatial_axes} spatial axes; expected at most '
                             f'{self.MOST_AXES} (bottom {list(shape)}, axis {p.axis})')
        self.window = window(p, self.spatial_axes)
        self.channels, self.num_output, self.group = shape[self.channel_axis], p.num_output, p.group
        self._check_channels()
        self._add_weights(p)

    def _check_channels(self) -> None:
        if self.num_output < 1:
            raise ValueError('num_output must be given, at least 1')
        if self.group < 1 or self.channels % self.group or self.num_output % self.group:
            raise ValueError(f'group {self.group} must divide both the {self.channels} channels '
                             f'of the bottom and num_output {self.num_output}')

    def _add_weights(self, p: ConvolutionParameter) -> None:
        carried = len(self.param.blobs)
        if carried not in (0, 1 + p.bias_term):
            raise ValueError(f'the layer carries {carried} param blob(s); expected '
                             f'{1 + p.bias_term} (bias_term is {str(p.bias_term).lower()})')
        ends = [self.num_output, self.channels]
        rows, columns = reversed(ends) if self.transposed else ends
        self.add_blob((rows, columns // self.group, *self.window.kernel), p.weight_filler)
        if p.bias_term:
            self.add_blob((self.num_output,), p.bias_filler)

    def output_sizes(self, sizes: Sizes) -> Sizes:
        """Return the spatial sizes of the tops for those of the bottoms."""
        raise NotImplementedError

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape, axis = bottom[0].shape, self.channel_axis
        if len(shape) != axis + 1 + self.spatial_axes:
            raise ValueError(f'bottom {bottom[0].name!r} has {len(shape)} axes; the layer was set '
                             f'up for {axis + 1 + self.spatial_axes}')
        if shape[axis] != self.channels:
            raise ValueError(f'bottom {bottom[0].name!r} {list(shape)} has {shape[axis]} channels; '
                             f'the kernel is for {self.channels}')
        for other in bottom[1:]:
            if other.shape != shape:
                raise ValueError(f'bottoms {bottom[0].name!r} {list(shape)} and {other.name!r} '
                                 f'{list(other.shape)} must have the same shape')
        if 0 in shape[axis + 1:]:
            raise ValueError(f'bottom {bottom[0].name!r} {list(shape)} has a spatial axis of no '
                             'values')
        sizes = self.output_sizes(shape[axis + 1:])
        self.stride = self._stride(shape[axis + 1:])
        for blob in top:
            blob.reshape(*shape[:axis], self.num_output, *sizes)

    def _stride(self, sizes: Sequence[int]) -> tuple[int, ...]:
        """Return the stride to give torch, which crashes on strides of billions.

        A stride larger than the padded image leaves one window, just as one of its size does.
        """
        w = self.window
        stride = tuple(min(s, max(n + 2 * p, 1))
                       for s, n, p in zip(w.stride, sizes, w.pad, strict=True))
        if self.transposed:                        # a single input is stepped from nowhere
            stride = tuple(s if n > 1 else 1 for s, n in zip(w.stride, sizes, strict=True))
        if max((*stride, *w.pad, *w.dilation), default=0) > FARTHEST:
            raise ValueError(f'stride {list(w.stride)}, padding {list(w.pad)} and dilation '
                             f'{list(w.dilation)}: expected at most {FARTHEST:,} on an image of '
                             f'{list(sizes)}')
        return stride

    # -- the arithmetic, on tensors of batch x channels x 1..3 spatial axes ----------------------

    def fold(self, tensor: torch.Tensor) -> torch.Tensor:
        """View a bottom or top as batch x channels x spatial axes, of which at least one."""
        axis = self.channel_axis
        if axis == 1 and self.spatial_axes:
            return tensor
        batch, rest = prod(tensor.shape[:axis]), tensor.shape[axis:]
        return tensor.reshape(batch, *rest, *(() if self.spatial_axes else (1,)))

    def weight(self) -> torch.Tensor:
        """Return the weights with at least one spatial axis."""
        weight = self.blobs[0].data
        return weight if self.spatial_axes else weight.unsqueeze(-1)

    def geometry(self) -> tuple[Sequence[int], Sequence[int], Sequence[int], bool, Sequence[int]]:
        """Return stride, padding, dilation, transposed, output padding as aten takes them."""
        w, ones = self.window, (1,) * max(1, self.spatial_axes)
        none = tuple(0 for _ in ones)
        return (self.stride or ones, w.pad or none, w.dilation or ones, self.transposed, none)

    def apply(self, x: torch.Tensor, weight: torch.Tensor,
              bias: torch.Tensor | None) -> torch.Tensor:
        """Return the top of one folded bottom."""
        return torch.convolution(x, weight, bias, *self.geometry(), self.group)

    def gradients(self, diff: torch.Tensor, x: torch.Tensor, weight: torch.Tensor,
                  mask: list[bool]) -> tuple[torch.Tensor | None, ...]:
        """Return the diffs of bottom, weights and bias, each only where the mask asks."""
        return torch.ops.aten.convolution_backward(diff, x, weight, [self.num_output],
                                                   *self.geometry(), self.group, mask)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        weight, bias = self.weight(), self.blobs[1].data if len(self.blobs) > 1 else None
        for source, blob in zip(bottom, top, strict=True):
            blob.data = self.apply(self.fold(source.data), weight, bias).reshape(blob.shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if self.channel_axis != 1 or not self.spatial_axes:
            raise ValueError(f'{self.type} over axis {self.channel_axis} with {self.spatial_axes} '
                             'spatial axes has no ONNX form')
        weight, group = self.onnx_weight()
        params = [g.const(weight, name='weight')]
        if len(self.blobs) > 1:
            params.append(g.const(self.blobs[1].data, name='bias'))
        return [g.add('ConvTranspose' if self.transposed else 'Conv', x, *params, out=top,
                      kernel_shape=list(self.window.kernel), group=None if group == 1 else group,
                      **self._onnx_window()) for x, top in zip(bottoms, tops, strict=True)]

    def onnx_weight(self) -> tuple[torch.Tensor, int]:
        """Return the weights and the number of groups for an ONNX node."""
        return self.blobs[0].data, self.group

    def _onnx_window(self) -> dict[str, list[int]]:
        """Return the attributes that are not ONNX's defaults."""
        w = self.window
        found = {'strides': [*w.stride], 'dilations': [*w.dilation]}
        found = {key: sizes for key, sizes in found.items() if {*sizes} != {1}}
        return found | ({'pads': [*w.pad, *w.pad]} if any(w.pad) else {})

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        weight = self.weight()
        wanted = (*self.param_propagate_down, False)[:2]
        for blob, down, source in zip(top, propagate_down, bottom, strict=True):
            mask = [down, *wanted]
            if not any(mask):
                continue
            below, *rest = self.gradients(self.fold(blob.diff), self.fold(source.data), weight,
                                          mask)
            if down and below is not None:
                source.diff = below.reshape(source.shape)
            for param, want, diff in zip(self.blobs, wanted, rest, strict=False):
                if want and diff is not None:
                    param.add_diff(diff)
