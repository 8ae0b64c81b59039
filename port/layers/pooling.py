"""Pooling (Caffe's pooling_layer.cpp and .cu): the maximum, average or a random pick of windows."""

import torch
import torch.nn.functional as F

from netspec.schema.messages import TRAIN, PoolingParameter
from netspec.window import PoolWindow, pool_window
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.pool_axis import Axis, first_index, maximum, route, spread, total
from port.engine.registry import layer
from port.layers.bases.onnx_pooling import add_pool
from port.onnx.graph_builder import Graph


@layer('Pooling')
class Pooling(Layer):
    """Pool a bottom of 4 axes; MAX gives the places of the maxima, as numbers, in a second top.

    Unlike torch's: the size is rounded up unless round_mode is FLOOR; a padded last window is
    clipped; padding may be anything below the kernel; AVE divides by the part of the window
    within the padded image; STOCHASTIC, which Caffe has on the GPU alone, runs everywhere.
    dilation is our own field: the places of a window lie so far apart, as a convolution's do, and
    AVE divides by those within the padded image.
    Nothing is kept for backward but STOCHASTIC's random choice.
    """

    saves_bottom = True          # Caffe's: the places of the maxima

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        p = self.param.pooling_param
        held = pool_window(p)
        self.method = p.pool
        self.kernel = held.kernel if held else None           # None: the whole image
        self.stride, self.pad = (held.stride, held.pad) if held else ((1, 1), (0, 0))
        self.dilation = held.dilation if held else (1, 1)     # our own: Caffe's windows have none

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        super().reshape(bottom, top)
        sizes = bottom[0].shape[2:]
        self.rows, self.columns = (Axis(*numbers) for numbers in zip(
            (-2, -1), sizes, self.kernel or sizes, self.stride, self.pad, top[0].shape[2:],
            self.dilation, strict=True))

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data
        if self.method == PoolingParameter.MAX:
            top[0].data = maximum(x, self.rows, self.columns)
            if len(top) > 1:
                top[1].data = first_index(x, top[0].data, self.rows, self.columns)
        elif self.method == PoolingParameter.AVE:
            top[0].data = total(x, self.rows, self.columns).div_(
                self.rows.divisor(x) * self.columns.divisor(x))
        elif self.phase == TRAIN:
            top[0].data = self.pick(x)
        else:
            top[0].data = self.expected(x)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        window = self.kernel and PoolWindow(self.kernel, self.stride, self.pad, self.dilation)
        return add_pool(g, self.param.pooling_param, window, bottoms[0], tops)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        if not propagate_down[0]:
            return
        x, diff = self.seen(bottom[0]), top[0].diff
        if self.method == PoolingParameter.MAX:
            bottom[0].diff = route(diff, x, self.rows, self.columns)
        elif self.method == PoolingParameter.AVE:
            bottom[0].diff = spread(diff / (self.rows.divisor(x) * self.columns.divisor(x)),
                                    self.rows, self.columns)
        elif self.phase == TRAIN:
            bottom[0].diff = self.unpick(diff)
        else:
            raise ValueError('STOCHASTIC pooling has a backward pass in the TRAIN phase only')

    # -- STOCHASTIC: inputs are probabilities once divided by their sum in the window --------------

    def pick(self, x: torch.Tensor) -> torch.Tensor:
        """Pick an input of each window with a probability in proportion to its value.

        The first at which the running sum reaches a uniform part of the whole, in scan order.
        """
        axes = self.columns, self.rows
        room = [n for a in axes for n in (0, max(0, (a.out - 1) * a.stride + a.kernel - a.size))]
        padded = F.pad(x, room)
        self.padded = padded.shape
        seen = padded.unfold(2, self.rows.kernel, self.rows.stride).unfold(
            3, self.columns.kernel, self.columns.stride).flatten(4)     # n c oh ow kernel
        sums = seen.cumsum(-1)
        threshold = torch.rand_like(sums[..., -1]) * sums[..., -1]
        place = (sums >= threshold.unsqueeze(-1)).to(torch.uint8).argmax(-1, keepdim=True)
        self.chosen = self._flat(place.squeeze(-1))
        return seen.gather(-1, place).squeeze(-1)

    def _flat(self, place: torch.Tensor) -> torch.Tensor:
        """Return a place in each window as an index into the padded plane."""
        row = torch.arange(self.rows.out, device=place.device)[:, None] * self.rows.stride
        column = torch.arange(self.columns.out, device=place.device) * self.columns.stride
        wide = self.columns.kernel
        return (row + place // wide) * self.padded[-1] + column + place % wide

    def unpick(self, diff: torch.Tensor) -> torch.Tensor:
        """Return the bottom's diff: each output's goes to the input it was picked from."""
        down = diff.new_zeros(*self.padded[:2], self.padded[2] * self.padded[3])
        down.scatter_add_(2, self.chosen.flatten(2), diff.flatten(2))
        return down.view(self.padded)[..., :self.rows.size, :self.columns.size].contiguous()

    def expected(self, x: torch.Tensor) -> torch.Tensor:
        """Return the mean of each window under those probabilities: sum x^2 / sum x, or 0."""
        sums = total(x, self.rows, self.columns)
        squares = total(x * x, self.rows, self.columns)
        return torch.where(sums > 0, squares / sums, 0)
