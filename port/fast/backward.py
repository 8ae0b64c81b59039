"""Backward passes of the fast training pass, on the parts that a plan computes."""

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F

from netspec.schema.messages import PoolingParameter
from port.engine.blob import Blob
from port.engine.pool_axis import Axis, route
from port.fast import arithmetic, native
from port.fast.plan import Step
from port.fast.program import Op

ATEN = torch.ops.aten
LAST = torch.channels_last
Learn = Callable[[Blob, torch.Tensor], None]


class Convolving:
    """A convolution with or without ReLU: by our kernels, as a product of matrices, or by torch."""

    def __init__(self, step: Step) -> None:
        self.step, self.layer = step, step.op.layer
        weight, w = self.layer.blobs[0].data, self.layer.window
        self.weight = weight
        self.bias = self.layer.blobs[1].data if len(self.layer.blobs) > 1 else None
        self.pads = arithmetic.pads_of(step.reads, step.sizes)
        simple = {*w.stride, *w.dilation} == {1} and self.layer.group == 1
        own = (simple and weight.device.type == 'cpu' and weight.dtype == torch.float32
               and native.library() is not None)
        self.forward_kind = ('winograd' if own and native.fits_winograd(weight) else
                             'few' if own and native.fits_few(weight) else 'torch')
        self.turned = own and native.fits_winograd(weight, turned=True)
        self.matrix = not self.turned and not any(self.pads) and arithmetic.is_large(self.layer)

    def room(self, batch: int) -> torch.Tensor:
        """Return memory for the output over what is wanted."""
        sizes = [p.wanted.size for p in self.step.places]
        return torch.empty(batch, self.layer.num_output, *sizes, dtype=self.weight.dtype,
                           device=self.weight.device, memory_format=LAST)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> None:
        """Write the computed part."""
        relu = self.step.op.relu
        if self.forward_kind == 'winograd':
            native.winograd(x, (self.pads[2], self.pads[0]), native.pack_winograd(self.weight),
                            self.bias, relu, False, y, tuple(y.shape[2:]))
        elif self.forward_kind == 'few':
            padded = F.pad(x, self.pads).contiguous(memory_format=LAST)
            native.few_channels(padded, self.layer.window.kernel[0],
                                native.pack_few(self.weight), self.bias, relu, y)
        else:
            out = arithmetic.product(self.layer, x, self.weight, self.bias) if self.matrix else \
                arithmetic.convolve(self.layer, x, self.weight, self.bias, self.pads)
            torch.clamp_min(out, 0, out=y) if relu else y.copy_(out)

    def backward(self, gradient: torch.Tensor, y: torch.Tensor, x: torch.Tensor, down: bool,
                 learn: Learn) -> torch.Tensor | None:
        """Give `learn` the parameters' gradients; return that of what was read of the bottom."""
        if self.step.op.relu:
            gradient = ATEN.threshold_backward(gradient, y, 0)
        asked = (*self.layer.param_propagate_down, False)[:2]
        if self.matrix:
            return self._matrix_back(gradient, x, down, asked, learn)
        result = None
        if down and self.turned:
            result = self._turned(gradient, x)
        found = self._by_torch(gradient, x, [down and result is None, *asked])
        for blob, wanted, part in zip(self.layer.blobs, asked, found[1:], strict=False):
            if wanted:
                learn(blob, part)
        return result if result is not None else found[0]

    def _turned(self, gradient: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        """Return the bottom's gradient: a convolution with the turned kernels."""
        out = torch.empty(x.shape, memory_format=LAST)
        left, _, above, _ = self.pads
        native.winograd(gradient.contiguous(memory_format=LAST), (2 - above, 2 - left),
                        native.pack_winograd(self.weight, turned=True), None, False, False, out,
                        tuple(x.shape[2:]))
        return out

    def _by_torch(self, gradient: torch.Tensor, x: torch.Tensor,
                  mask: list[bool]) -> tuple[torch.Tensor | None, ...]:
        if not any(mask):
            return None, None, None
        w = self.layer.window
        padded, pad = arithmetic.padded(x, self.pads, w)
        down, *rest = ATEN.convolution_backward(
            gradient, padded, self.weight, [self.layer.num_output], w.stride, pad, w.dilation,
            False, [0, 0], self.layer.group, mask)
        if down is not None and padded is not x:
            down = F.pad(down, [-n for n in self.pads])
        return down, *rest

    def _matrix_back(self, gradient: torch.Tensor, x: torch.Tensor, down: bool,
                     asked: tuple[bool, ...], learn: Learn) -> torch.Tensor | None:
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, gradient.shape[1])
        result = None
        if down:
            columns = rows @ self.weight.flatten(1)
            n, c, h, w = x.shape
            if self.layer.window.kernel == (1, 1):
                result = columns.view(n, h, w, c).permute(0, 3, 1, 2)
            else:
                columns = columns.view(n, -1, columns.shape[1]).transpose(1, 2)
                result = F.fold(columns, (h, w), self.layer.window.kernel)
        if asked[0]:
            seen = arithmetic.columns(x, self.layer.window.kernel)
            learn(self.layer.blobs[0], (rows.T @ seen).view(self.weight.shape))
        if asked[1]:
            learn(self.layer.blobs[1], rows.sum(0))
        return result


class Pooled:
    """Maxima or averages of windows."""

    def __init__(self, step: Step) -> None:
        self.step, self.layer = step, step.op.layer
        self.places: torch.Tensor | None = None

    def _fits_torch(self, x: torch.Tensor) -> bool:
        rules = self.step.rules
        sizes = [-(-(n - r.extent) // r.stride) + 1
                 for n, r in zip(x.shape[2:], rules, strict=True)]
        return (self.layer.method == PoolingParameter.MAX and not any(r.pad for r in rules)
                and sizes == [s.size for s in self.step.inner])

    def _shape(self) -> tuple:
        rules = self.step.rules
        return ([r.extent for r in rules], [r.stride for r in rules], [0, 0], [1, 1], True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self._fits_torch(x):
            return arithmetic.pool(self.layer, x, self.step, self.step.inner)
        y, self.places = ATEN.max_pool2d_with_indices(x, *self._shape())
        return y

    def backward(self, gradient: torch.Tensor, y: torch.Tensor,
                 bottoms: list[torch.Tensor]) -> list[torch.Tensor]:
        (x,) = bottoms
        if self.places is not None:
            return [ATEN.max_pool2d_with_indices_backward(gradient, x, *self._shape(),
                                                          self.places)]
        if self.layer.method != PoolingParameter.MAX:
            raise ValueError(f'layer {self.step.op.name!r}: only MAX pooling is trained here')
        axes = [Axis(dim, x.shape[dim], r.extent, r.stride, max(0, r.pad - s.first * r.stride),
                     s.size)
                for dim, r, s in zip((-2, -1), self.step.rules, self.step.inner, strict=True)]
        return [route(gradient, x, *axes)]


class Pointwise:
    """A layer that computes each position by itself, run by its own code."""

    def __init__(self, op: Op) -> None:
        self.layer = copy.copy(op.layer)
        self.blobs: list[Blob] = []
        self.top = Blob('top')

    def forward(self, bottoms: list[torch.Tensor]) -> torch.Tensor:
        for x in bottoms:
            blob = Blob('bottom', tuple(x.shape), x.dtype, x.device)
            blob.data = x.contiguous()       # random numbers are drawn in Caffe's order
            self.blobs.append(blob)
        self.top = Blob('top', (), bottoms[0].dtype, bottoms[0].device)
        self.layer.reshape(self.blobs, [self.top])
        self.layer.forward(self.blobs, [self.top])
        return self.top.data

    def backward(self, gradient: torch.Tensor, y: torch.Tensor,
                 bottoms: list[torch.Tensor]) -> list[torch.Tensor]:
        self.top.diff = gradient.contiguous()
        self.layer.backward([self.top], [True] * len(self.blobs), self.blobs)
        return [blob.diff for blob in self.blobs]

