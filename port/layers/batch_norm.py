"""BatchNorm: y = (x - mean) / sqrt(variance + eps), for each channel (Caffe's BatchNormLayer).

The stored statistics are sums: each training pass multiplies them by moving_average_fraction
and adds its own, and the third blob counts what they have to be divided by.
"""

from collections.abc import Callable

import torch

from netspec.schema.messages import TEST
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph

ATEN = torch.ops.aten
Sum = Callable[[torch.Tensor], torch.Tensor]


@layer('BatchNorm')
class BatchNorm(Layer):
    """blobs: [sum of means, sum of unbiased variances, weight of the sums], never learnt.

    mean, rate: those of the last pass, rate = 1 / sqrt(variance + eps). kept: y of a training
    pass in place, where later layers may overwrite it; otherwise x is still in the bottom.
    over_ranks: sums a tensor over several ranks, whose batches then count as one; without it each
    normalises by its own, as in Caffe.
    """

    saves_bottom = True
    over_ranks: Callable[[torch.Tensor], torch.Tensor] | None = None

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.batch_norm_param
        self.stored = self.phase == TEST
        if param.HasField('use_global_stats'):
            self.stored = param.use_global_stats
        self.eps, self.fraction = param.eps, param.moving_average_fraction
        channels = bottom[0].shape[1] if len(bottom[0].shape) > 1 else 1
        for shape in ((channels,), (channels,), (1,)):
            self.add_blob(shape)
        self._freeze()

    def _freeze(self) -> None:
        """Give the three blobs lr_mult 0; ValueError where the net file gives another."""
        for i in range(len(self.blobs)):
            if i == len(self.param.param):
                self.param.param.add(lr_mult=0)
            elif self.param.param[i].lr_mult != 0:
                raise ValueError(f'param {i} has lr_mult {self.param.param[i].lr_mult:g}; '
                                 'expected 0: batch statistics are not learnt')

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        shape, channels = bottom[0].shape, self.blobs[0].count
        if len(shape) < 2 or shape[1] != channels:
            raise ValueError(f'bottom {bottom[0].name!r} has shape {list(shape)}; expected '
                             f'{channels} channels on its second axis')
        if not self.stored and not bottom[0].count:
            raise ValueError(f'bottom {bottom[0].name!r} has shape {list(shape)}: no value to take '
                             'a mean over')
        super().reshape(bottom, top)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data
        y = (self._by_stored(x) if self.stored else self._by_batch(x) if self.over_ranks is None
             else self._by_ranks(x, self.over_ranks))
        self.kept = y.clone() if top[0] is bottom[0] and not self.stored else None
        top[0].data = y

    def _by_stored(self, x: torch.Tensor) -> torch.Tensor:
        total, squares, weight = (blob.data for blob in self.blobs)
        share = torch.where(weight == 0, 0, 1 / weight)
        self.mean, variance = total * share, squares * share
        self.rate = torch.rsqrt(variance + self.eps)
        return ATEN.native_batch_norm(x, None, None, self.mean, variance, False, 0, self.eps)[0]

    def _by_batch(self, x: torch.Tensor) -> torch.Tensor:
        """Normalise by the batch; momentum 1 hands its mean and unbiased variance back."""
        mean, variance = torch.zeros_like(self.blobs[0].data), torch.zeros_like(self.blobs[1].data)
        y, self.mean, self.rate = ATEN.native_batch_norm(x, None, None, mean, variance, True, 1,
                                                         self.eps)
        if x.numel() == x.shape[1]:
            y.zero_()                  # one value a channel: x is its own mean,
            variance.zero_()           # and torch divides 0 by 0
        self._count(mean, variance)
        return y

    def _count(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        """Add a pass to the stored statistics; variance: the unbiased one."""
        news: tuple[torch.Tensor | int, ...] = (mean, variance, 1)
        for blob, new in zip(self.blobs, news, strict=True):
            blob.data.mul_(self.fraction).add_(new)

    def _by_ranks(self, x: torch.Tensor, add: Sum) -> torch.Tensor:
        """Normalise by the batches of all ranks together, their sums in double precision."""
        axes, wide = others(x), x.double()
        mine = torch.cat([wide.sum(axes), wide.new_tensor([x.numel() / x.shape[1]])])
        total = add(mine)
        count = total[-1]
        mean = total[:-1] / count
        squares = add((wide - along(mean, x)).square().sum(axes))
        self.all_values = float(count)
        self.mean, self.rate = mean.to(x.dtype), torch.rsqrt(squares / count + self.eps).to(x.dtype)
        self._count(self.mean, (squares / (count - 1).clamp(min=1)).to(x.dtype))
        return (x - along(self.mean, x)) * along(self.rate, x)

    def _back_by_ranks(self, x: torch.Tensor, diff: torch.Tensor, add: Sum) -> torch.Tensor:
        """dx = (dy - mean(dy) - mean(dy y) y) rate, the means over all ranks' batches."""
        axes = others(x)
        y = self.kept if self.kept is not None else (x - along(self.mean, x)) * along(self.rate, x)
        sums = add(torch.stack([diff.double().sum(axes), (diff * y).double().sum(axes)]))
        plain, slope = (along((s / self.all_values).to(x.dtype), x) for s in sums)
        return (diff - plain - y * slope) * along(self.rate, x)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        if not self.stored:
            return [self._onnx_by_batch(g, bottoms[0], tops[0])]
        total, squares, weight = (blob.data for blob in self.blobs)
        share = torch.where(weight == 0, 0, 1 / weight)
        numbers = (('scale', torch.ones_like(total)), ('bias', torch.zeros_like(total)),
                   ('mean', total * share), ('variance', squares * share))
        return [g.add('BatchNormalization', bottoms[0], *(g.const(v, name=n) for n, v in numbers),
                      epsilon=self.eps, out=tops[0])]

    def _onnx_by_batch(self, g: Graph, x: str, top: str) -> str:
        axes = [a for a in range(len(g.shape(x))) if a != 1]
        centred = g.add('Sub', x, g.add('ReduceMean', x, axes=axes, keepdims=1))
        variance = g.add('ReduceMean', g.add('Mul', centred, centred), axes=axes, keepdims=1)
        spread = g.add('Sqrt', g.add('Add', variance, g.const(self.eps)))
        return g.add('Div', centred, spread, out=top)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        """dx = (dy - mean(dy) - mean(dy y) y) rate; dy rate with stored statistics."""
        diff = top[0].diff
        if self.stored:
            rate = self.rate.view(-1, *[1] * (diff.dim() - 2))
            bottom[0].diff = torch.mul(diff, rate, out=diff if top[0] is bottom[0] else None)
            return
        if self.over_ranks is not None:
            bottom[0].diff = self._back_by_ranks(self.seen(bottom[0]), diff, self.over_ranks)
            return
        if self.kept is None:
            x, weight, mean, rate = self.seen(bottom[0]), None, self.mean, self.rate
        else:
            x, weight = self.kept, self.rate
            mean, rate = torch.zeros_like(weight), torch.ones_like(weight)
        bottom[0].diff = ATEN.native_batch_norm_backward(
            diff, x, weight, None, None, mean, rate, True, self.eps, [True, False, False])[0]


def others(x: torch.Tensor) -> list[int]:
    """Return the axes that a channel's values lie along."""
    return [axis for axis in range(x.dim()) if axis != 1]


def along(values: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Lay a value for each channel along x."""
    return values.view(-1, *[1] * (x.dim() - 2))
