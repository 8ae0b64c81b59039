"""A deploy net as one writes it in torch: a call of torch.nn.functional for each layer, the net's
own weights, ReLU in place, BatchNorm and its Scale as one batch_norm; nothing of Caffe's exactness.
"""

from collections.abc import Callable
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F

from netspec.schema.messages import EltwiseParameter, PoolingParameter
from port.engine.net import Net
from port.engine.wiring import Node

Call = Callable[..., Any]          # from the values of the bottoms to those of the tops


class EagerNet:
    """Called with a tensor for each input; returns the values of a blob. KeyError for a layer type
    that is not known here.
    """

    def __init__(self, net: Net, wanted: str) -> None:
        self.inputs = net.inputs
        self.steps: list[tuple[Call, list[str], list[str]]] = []
        nodes = [node for node in net.nodes if node.layer.type != 'Input']
        copies: dict[str, str] = {}                  # the names of a Split's tops -> its bottom's
        while nodes:
            node = nodes.pop(0)
            reads = [copies.get(blob.name, blob.name) for blob in node.bottom]
            if node.layer.type in ('Split', 'Dropout', 'Silence'):
                copies |= {blob.name: reads[0] for blob in node.top if blob.name != reads[0]}
                continue
            scale = nodes.pop(0) if normalises(node, nodes) else None
            tops = [blob.name for blob in (scale or node).top]
            self.steps.append((CALLS[node.layer.type](node.layer, scale and scale.layer),
                               reads, tops))
        self.wanted = copies.get(net.blobs[wanted].name, net.blobs[wanted].name)
        self.spent = self._spent()

    def _spent(self) -> list[set[str]]:
        """Return after each step the values that none reads any more."""
        found, later = [], {self.wanted}
        for _, reads, tops in reversed(self.steps):
            found.append({*reads, *tops} - later)
            later |= {*reads}
        return found[::-1]

    @torch.inference_mode()
    def __call__(self, *arrays: torch.Tensor) -> torch.Tensor:
        values: dict[str, Any] = dict(zip(self.inputs, arrays, strict=True))
        for (call, reads, tops), spent in zip(self.steps, self.spent, strict=True):
            made = call(*(values[name] for name in reads))
            values.update(zip(tops, made if isinstance(made, tuple) else (made,), strict=True))
            for name in spent:
                del values[name]
        return values[self.wanted]


def normalises(node: Node, after: list[Node]) -> bool:
    """Whether a BatchNorm is followed by the Scale of what it writes, which alone reads that."""
    return (node.layer.type == 'BatchNorm' and bool(after) and after[0].layer.type == 'Scale'
            and after[0].bottom == node.top)


def convolution(layer: Any, _: Any) -> Call:
    weight, *bias = (blob.data for blob in layer.blobs)
    w = layer.window
    return lambda x: F.conv2d(x, weight, *bias or [None], w.stride, w.pad, w.dilation, layer.group)


def deconvolution(layer: Any, _: Any) -> Call:
    weight, *bias = (blob.data for blob in layer.blobs)
    w = layer.window
    return lambda x: F.conv_transpose2d(x, weight, *bias or [None], w.stride, w.pad, 0,
                                        layer.group, w.dilation)


def pooling(layer: Any, _: Any) -> Call:
    ceil = layer.param.pooling_param.round_mode == PoolingParameter.CEIL
    if layer.kernel is None:
        return lambda x: x.mean((2, 3), keepdim=True)
    if layer.method == PoolingParameter.AVE:
        return lambda x: F.avg_pool2d(x, layer.kernel, layer.stride, layer.pad, ceil)
    indices = len(layer.param.top) > 1
    return lambda x: F.max_pool2d(x, layer.kernel, layer.stride, layer.pad, layer.dilation, ceil,
                                  indices)


def upsample(layer: Any, _: Any) -> Call:
    def put_back(x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        size = layer.fixed or [s * n - less for s, n, less in zip(
            layer.scale, x.shape[2:], layer.less, strict=True)]
        return F.max_unpool2d(x, places, 2, 2, 0, list(size))
    return put_back


def batch_norm(layer: Any, scale: Any) -> Call:
    mean, variance, weight = (blob.data for blob in layer.blobs)
    own = [blob.data for blob in scale.blobs] if scale else []
    slope, shift = [*own, None, None][:2]
    mean, variance = mean / weight, variance / weight
    return lambda x: F.batch_norm(x, mean, variance, slope, shift, False, 0, layer.eps)


def scaled(layer: Any, _: Any) -> Call:
    slope, *shift = (blob.data.view(-1, 1, 1) for blob in layer.blobs)
    return (lambda x: x * slope + shift[0]) if shift else (lambda x: x * slope)


def relu(layer: Any, _: Any) -> Call:
    in_place = list(layer.param.top) == list(layer.param.bottom)
    return lambda x: F.relu(x, in_place)


def eltwise(layer: Any, _: Any) -> Call:
    p = layer.param.eltwise_param
    if p.operation == EltwiseParameter.SUM and any(share != 1 for share in layer.coeff):
        return lambda *values: sum(share * x for share, x in zip(layer.coeff, values, strict=True))
    two = {EltwiseParameter.SUM: torch.add, EltwiseParameter.PROD: torch.mul,
           EltwiseParameter.MAX: torch.maximum}[p.operation]
    return lambda *values: reduce(two, values)


def crop(layer: Any, _: Any) -> Call:
    first, *more = layer.param.crop_param.offset
    down, right = first, (more or [first])[0]
    return lambda x, like: x[:, :, down:down + like.shape[2], right:right + like.shape[3]]


def interp(layer: Any, _: Any) -> Call:
    p = layer.param.interp_param

    def resized(x: torch.Tensor) -> torch.Tensor:
        def side(n: int) -> int:
            n = (n - 1) // p.shrink_factor + 1
            return n + (n - 1) * (p.zoom_factor - 1)
        size = [p.height, p.width] if p.height else [side(n) for n in x.shape[2:]]
        return F.interpolate(x, size=size, mode='bilinear', align_corners=True)
    return resized


def lrn(layer: Any, _: Any) -> Call:
    p = layer.param.lrn_param
    return lambda x: F.local_response_norm(x, p.local_size, p.alpha, p.beta, p.k)


CALLS: dict[str, Callable[[Any, Any], Call]] = {
    'Convolution': convolution, 'Deconvolution': deconvolution, 'Pooling': pooling,
    'Upsample': upsample, 'BatchNorm': batch_norm, 'Scale': scaled, 'ReLU': relu,
    'Eltwise': eltwise, 'Crop': crop, 'Interp': interp, 'LRN': lrn,
    'Concat': lambda layer, _: lambda *x: torch.cat(x, 1),
    'Softmax': lambda layer, _: lambda x: x.softmax(1)}
