"""MVN: subtract each plane's mean and divide by its standard deviation + eps (Caffe's MVNLayer).

A plane is a channel of an image, or the whole image with across_channels.
"""

from math import prod

import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph


@layer('MVN')
class MVN(Layer):
    """The top has 4 axes whatever the bottom has. The backward pass takes Caffe's steps in
    Caffe's order, so that in place it overwrites the top's diff where Caffe does.
    """

    def reshape(self, bottom: list[Blob], top: list[Blob]) -> None:
        self.given = bottom[0].shape
        super().reshape(bottom, top)
        self.shape = top[0].shape
        across = self.param.mvn_param.across_channels
        split = 1 if across else 2
        self.rows = prod(self.shape[:split]), prod(self.shape[split:])

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        x = bottom[0].data.reshape(self.rows)
        mean = x.mean(1, keepdim=True)
        y = torch.sub(x, mean, out=x if top[0] is bottom[0] else None)
        if self.param.mvn_param.normalize_variance:
            variance = y.square().mean(1, keepdim=True)
            self.spread = variance.sqrt_().add_(self.param.mvn_param.eps)
            y.div_(self.spread)
        top[0].data = y.view(self.shape)

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        param, x = self.param.mvn_param, bottoms[0]
        missing = range(len(g.shape(x)), 4)
        if missing:
            x = g.add('Unsqueeze', x, g.ints(*missing))
        axes = [1, 2, 3] if param.across_channels else [2, 3]
        mean = g.add('ReduceMean', x, axes=axes, keepdims=1)
        if not param.normalize_variance:
            return [g.add('Sub', x, mean, out=tops[0])]
        centred = g.add('Sub', x, mean)
        variance = g.add('ReduceMean', g.add('Mul', centred, centred), axes=axes, keepdims=1)
        spread = g.add('Add', g.add('Sqrt', variance), g.const(param.eps))
        return [g.add('Div', centred, spread, out=tops[0])]

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        diff = top[0].diff.reshape(self.rows)
        out = diff if top[0] is bottom[0] else torch.empty_like(diff)
        if self.param.mvn_param.normalize_variance:
            self._normalized(top[0].data.reshape(self.rows), diff, out)
        else:
            torch.sub(diff, diff.mean(1, keepdim=True), out=out)
        bottom[0].diff = out.view(bottom[0].shape)
        if top[0] is bottom[0]:              # whoever made it goes back in the shape that it gave
            bottom[0].reshape(*self.given)

    def _normalized(self, y: torch.Tensor, diff: torch.Tensor, out: torch.Tensor) -> None:
        """dx = (dy - mean(dy) - mean(dy y) y) / (deviation + eps)."""
        torch.mul(y, diff, out=out)
        torch.mul(y, out.sum(1, keepdim=True), out=out)
        out.add_(diff.sum(1, keepdim=True))
        out.mul_(-1 / max(1, self.rows[1])).add_(diff).div_(self.spread)
