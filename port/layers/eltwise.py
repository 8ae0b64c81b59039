"""Eltwise: product, weighted sum or maximum of blobs of one shape (Caffe's EltwiseLayer)."""

import torch

from netspec.schema.messages import EltwiseParameter
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.onnx.graph_builder import Graph

FLT_MAX = torch.finfo(torch.float32).max


@layer('Eltwise')
class Eltwise(Layer):
    """In place, Caffe clears the top before a sum or a maximum, and with it the first bottom.

    winner: which bottom gave each maximum; of two equal ones the second, of more the earlier.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        param = self.param.eltwise_param
        coeff = list(param.coeff)
        if len(coeff) not in (0, len(bottom)):
            raise ValueError(f'eltwise_param gives {len(coeff)} coeff for {len(bottom)} bottoms; '
                             'expected one for each bottom, or none')
        if coeff and param.operation == EltwiseParameter.PROD:
            raise ValueError('eltwise_param gives coeff for operation PROD; '
                             'coefficients are for SUM only')
        self.coeff = coeff or [1.0] * len(bottom)
        self.steps = {EltwiseParameter.PROD: (self._product, self._product_diff),
                      EltwiseParameter.SUM: (self._sum, self._sum_diff),
                      EltwiseParameter.MAX: (self._max, self._max_diff)}[param.operation]
        self.winner: torch.Tensor | None = None

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        top[0].data = self.steps[0]([blob.data for blob in bottom], top[0] is bottom[0])

    def onnx(self, g: Graph, bottoms: list[str], tops: list[str]) -> list[str]:
        kind = self.param.eltwise_param.operation
        if self.param.bottom[0] == self.param.top[0] and kind != EltwiseParameter.PROD:
            raise ValueError('Eltwise in place has no ONNX form: Caffe clears its first bottom')
        if kind == EltwiseParameter.PROD:
            for x in bottoms[1:-1]:
                bottoms = [g.add('Mul', bottoms[0], x), *bottoms[2:]]
            return [g.add('Mul', *bottoms, out=tops[0])]
        if kind == EltwiseParameter.MAX:
            return [g.add('Max', *bottoms, out=tops[0])]
        if len({*self.coeff}) == 1 and self.coeff[0] != 1:
            return [g.add('Mul', self._onnx_sum(g, bottoms), g.const(self.coeff[0]), out=tops[0])]
        terms = [x if c == 1 else g.add('Mul', x, g.const(c))
                 for c, x in zip(self.coeff, bottoms, strict=True)]
        return [self._onnx_sum(g, terms, tops[0])]

    @staticmethod
    def _onnx_sum(g: Graph, terms: list[str], out: str | None = None) -> str:
        return g.add('Add' if len(terms) == 2 else 'Sum', *terms, out=out)

    def backward(self, top: list[Blob], propagate_down: list[bool], bottom: list[Blob]) -> None:
        for i, wanted in enumerate(propagate_down):
            if wanted:
                in_place = top[0] is bottom[i]
                out = top[0].diff if in_place else torch.empty_like(top[0].diff)
                self.steps[1](i, top[0], bottom, out)
                bottom[i].diff = out

    def _product(self, x: list[torch.Tensor], in_place: bool) -> torch.Tensor:
        out = torch.mul(x[0], x[1], out=x[0] if in_place else None)
        for other in x[2:]:
            out.mul_(other)
        return out

    def _product_diff(self, i: int, top: Blob, bottom: list[Blob], out: torch.Tensor) -> None:
        if self.param.eltwise_param.stable_prod_grad:
            others = [blob.data for j, blob in enumerate(bottom) if j != i]
            out.copy_(others[0])
            for other in others[1:]:
                out.mul_(other)
        else:
            torch.div(top.data, bottom[i].data, out=out)
        out.mul_(top.diff)

    def _sum(self, x: list[torch.Tensor], in_place: bool) -> torch.Tensor:
        if in_place:
            out = x[0].zero_()
        elif self.coeff[0] == 1:
            out = torch.add(x[0], x[1], alpha=self.coeff[1])
        else:
            out = torch.mul(x[0], self.coeff[0]).add_(x[1], alpha=self.coeff[1])
        for coeff, other in list(zip(self.coeff, x, strict=True))[1 if in_place else 2:]:
            out.add_(other, alpha=coeff)
        return out

    def _sum_diff(self, i: int, top: Blob, bottom: list[Blob], out: torch.Tensor) -> None:
        torch.mul(top.diff, self.coeff[i], out=out)

    def _max(self, x: list[torch.Tensor], in_place: bool) -> torch.Tensor:
        first = x[0].fill_(-FLT_MAX) if in_place else x[0]
        second_wins = ~(first > x[1])
        out = torch.where(second_wins, x[1], first)
        self.winner = second_wins.to(torch.uint8 if len(x) < 256 else torch.int32)
        for i, other in enumerate(x[2:], 2):
            better = other > out
            out = torch.where(better, other, out)
            self.winner.masked_fill_(better, i)
        return out

    def _max_diff(self, i: int, top: Blob, bottom: list[Blob], out: torch.Tensor) -> None:
        torch.mul(top.diff, self.winner == i, out=out)
