"""A Deconvolution from a part of its bottom to a part of its top."""

from math import prod

import torch
import torch.nn.functional as F

from port.fast.cuda_graphs import keep
from port.fast.kernels.upsample import narrow, upsample
from port.fast.operators import ATEN, Learn, Operator, Saved, Tensors, teach
from port.fast.reach.geometry import Interval
from port.fast.reach.operations import Operation
from port.fast.reach.plan import Work
from port.fast.recent import Recent
from port.layers.deconvolution import is_diagonal, own_kernels
from port.native.kept_memory import empty

MATRICES = 8         # kept, for as many sizes and axes
OVERLAP = 4          # times that an output is reached, up to which windows are laid out
TOLERANCE = 1e-7     # of the kernel's largest value: what two float32 factors can promise
Factors = tuple[torch.Tensor, torch.Tensor]


class Upsampling(Operator):
    """By torch; but where every channel has the same kernel onto itself, and that is a column
    times a row, as bilinear upsampling's is, by two products with matrices of one axis each:
    down @ (x @ across^T). A matrix has a row for each output and a column for each input.
    """

    any_order = True

    def __init__(self, operation: Operation, kernels: bool = True) -> None:
        super().__init__(operation, kernels)
        self._matrices: Recent[torch.Tensor] = Recent(MATRICES)
        self._seen: tuple[int, int] | None = None
        self.factors: Factors | None = None
        self.refresh()

    def channels(self, bottoms: Tensors) -> int:
        return int(self.layer.num_output)

    def refresh(self) -> None:
        """Look whether the kernels are alike and separable. On a GPU, where that waits for the
        device, only when the weights changed; on a CPU they can change unseen, through numpy.
        """
        weight, layer = self.layer.blobs[0].data, self.layer
        if weight.device.type != 'cpu' and not weight.is_inference():
            seen = weight.data_ptr(), weight._version
            if self._seen == seen:
                return
            self._seen = seen
        self.per_channel = (layer.group == 1 and weight.shape[0] == weight.shape[1]
                            and is_diagonal(weight))
        before, self.factors = self.factors, self._separated(weight)
        if before is None or self.factors is None or not all(map(torch.equal, before,
                                                                 self.factors)):
            self._matrices.clear()

    def _separated(self, weight: torch.Tensor) -> Factors | None:
        """Return the column and the row whose product every channel's kernel is; else None."""
        layer = self.layer
        kernels = own_kernels(weight) if self.per_channel else weight
        alone = self.per_channel or layer.group == layer.channels == layer.num_output
        if layer.window.dilation != (1, 1) or len(layer.blobs) > 1 or not alone:
            return None
        if not bool((kernels == kernels[0]).all()):
            return None
        kernel = kernels[0, 0].double()
        peak = kernel.abs().max()
        if peak == 0:
            return None
        row, column = divmod(int(kernel.abs().argmax()), kernel.shape[1])
        down, across = kernel[:, column], kernel[row] / kernel[row, column]
        apart = (torch.outer(down, across) - kernel).abs().max()
        return (down, across) if apart <= TOLERANCE * peak else None

    def _matrix(self, axis: int, work: Work, like: torch.Tensor) -> torch.Tensor:
        """Return outputs x inputs with the factor's value where an input reaches an output."""
        out, read = work.outputs[axis], work.reads[axis]
        key = axis, out, read, like.device, like.dtype
        return keep(self._matrices.get(
            key, lambda: self._made(axis, out, read).to(like.device, like.dtype)))

    def _made(self, axis: int, out: Interval, read: Interval) -> torch.Tensor:
        assert self.factors is not None
        w, factor = self.layer.window, self.factors[axis].cpu()
        place = (torch.arange(*out)[:, None] + w.pad[axis]
                 - torch.arange(*read) * w.stride[axis])
        return (factor[place.clamp(0, len(factor) - 1)]
                * ((place >= 0) & (place < len(factor))))

    def forward(self, work: Work, bottoms: Tensors) -> torch.Tensor:
        self.check_channels(bottoms[0])
        # Scores are float32 whatever the trunk is computed in.
        x = bottoms[0] if bottoms[0].dtype == torch.float64 else bottoms[0].float()
        if self.factors is not None:
            return self._matrix(0, work, x) @ (x.contiguous() @ self._matrix(1, work, x).T)
        layer, w = self.layer, self.layer.window
        weight, group = self._weight(x)
        y = F.conv_transpose2d(x, weight, None, w.stride, 0, 0, group, w.dilation)
        for dim, (first, _, size) in enumerate(self._offsets(work), 2):
            y = y.narrow(dim, first, size)
        return y + layer.blobs[1].data.to(x.dtype).view(-1, 1, 1) if len(layer.blobs) > 1 else y

    def write(self, work: Work, bottoms: Tensors, out: torch.Tensor) -> None:
        (x,) = bottoms
        if (self.factors is None or not self.by_kernels(bottoms, out)
                or 1 not in (out.stride(1), out.stride(3))):
            return super().write(work, bottoms, out)
        self.check_channels(x)
        window = self.layer.window
        down, across = (
            narrow(self._matrix(axis, work, x), -(-extent // stride))
            for axis, (extent, stride) in enumerate(zip(window.extent, window.stride, strict=True)))
        return upsample(x, down, across, out)

    def _weight(self, x: torch.Tensor) -> tuple[torch.Tensor, int]:
        """Return the weights and the number of groups for torch."""
        weight = self.layer.blobs[0].data.to(x.dtype)
        return (own_kernels(weight), self.layer.channels) if self.per_channel else \
            (weight, self.layer.group)

    def _offsets(self, work: Work) -> list[tuple[int, int, int]]:
        """Return for each axis how many positions before the outputs asked for, and how many
        behind, what is read is spread over; and how many are asked for.
        """
        found, w = [], self.layer.window
        for axis, (out, read) in enumerate(zip(work.outputs, work.reads, strict=True)):
            first = out.first - (read.first * w.stride[axis] - w.pad[axis])
            spread = (read.size - 1) * w.stride[axis] + w.extent[axis]
            found.append((first, spread - first - out.size, out.size))
        return found

    def backward(self, saved: Saved, gradient: torch.Tensor, down: bool,
                 learn: Learn) -> list[torch.Tensor | None]:
        work, layer = saved.work, self.layer
        learns = any(layer.param_propagate_down)
        windows = (self._windows(work, gradient)
                   if self._by_products(gradient) and (learns or self.factors is None) else None)
        if learns:
            teach(layer, self._learnt(saved, gradient, windows), learn)
        if self.factors is not None:
            return [self._matrix(0, work, gradient).T
                    @ (gradient.contiguous() @ self._matrix(1, work, gradient))]
        if windows is not None:
            matrix = layer.blobs[0].data.to(gradient.dtype).view(layer.group, -1, windows.shape[2])
            return [(matrix @ windows).view(saved.bottoms[0].shape)]
        weight, group = self._weight(gradient)
        w = layer.window
        return [F.conv2d(self._spread(work, gradient), weight, None, w.stride, 0, w.dilation,
                         group)]

    def _by_products(self, gradient: torch.Tensor) -> bool:
        """Whether both gradients are products with the windows of the top's gradient."""
        w = self.layer.window
        return gradient.device.type == 'cpu' and prod(w.extent) <= OVERLAP * prod(w.stride)

    def _windows(self, work: Work, gradient: torch.Tensor) -> torch.Tensor:
        """Return what each input reaches of a gradient: N x groups x (channels x kernel) x inputs.
        """
        w, spread = self.layer.window, self._spread(work, gradient)
        reached = spread.shape[1] * prod(w.kernel)
        inputs = prod(interval.size for interval in work.reads)
        windows = empty(len(spread), reached, inputs, dtype=spread.dtype)
        ATEN.im2col.out(spread, w.kernel, w.dilation, (0, 0), w.stride, out=windows)
        return windows.unflatten(1, (self.layer.group, -1))

    def _spread(self, work: Work, gradient: torch.Tensor) -> torch.Tensor:
        """Return the gradient of all that what is read is spread over."""
        (above, below, high), (left, right, wide) = self._offsets(work)
        n, channels = gradient.shape[:2]
        spread = empty(n, channels, above + high + below, left + wide + right,
                       dtype=gradient.dtype, device=gradient.device).zero_()
        spread.narrow(2, above, high).narrow(3, left, wide).copy_(gradient)
        return spread

    def _learnt(self, saved: Saved, gradient: torch.Tensor,
                windows: torch.Tensor | None) -> Tensors:
        """Return the gradients of the weights and the bias."""
        layer, w, x = self.layer, self.layer.window, saved.bottoms[0]
        if windows is not None:
            rows = x.flatten(2).unflatten(1, (layer.group, -1)).to(windows.dtype)
            products = (rows @ windows.transpose(2, 3)).sum(0)
            weight = products.view(layer.blobs[0].data.shape)
        else:
            _, weight, _ = ATEN.convolution_backward(
                self._spread(saved.work, gradient), x, layer.blobs[0].data, None, w.stride, [0, 0],
                w.dilation, True, [0, 0], layer.group, [False, True, False])
        return [weight, gradient.sum((0, 2, 3))]
