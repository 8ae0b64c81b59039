"""Logs what `debug_info: true` asks for: mean absolute values after each layer (net.cpp)."""

import logging
from typing import TYPE_CHECKING

import torch

from port.engine.wiring import Node

if TYPE_CHECKING:
    from port.engine.net import Net

log = logging.getLogger('port.net')


def _mean(values: torch.Tensor) -> float:
    return float(values.abs().sum() / max(values.numel(), 1))


def forward(net: 'Net', node: Node) -> None:
    """Log the mean absolute data of a layer's tops and parameters."""
    for blob in node.top:
        log.info('    [Forward] Layer %s, top blob %s data: %g', node.name, blob.name,
                 _mean(blob.data))
    for i, blob in enumerate(node.layer.blobs):
        row = net.param_owner[node.name, i]
        log.info('    [Forward] Layer %s, param blob %s data: %g', node.name, row.display,
                 _mean(blob.data))


def backward(net: 'Net', node: Node) -> None:
    """Log the mean absolute diff of a layer's bottoms and parameters."""
    for blob, asked in zip(node.bottom, node.propagate_down, strict=True):
        if asked:
            log.info('    [Backward] Layer %s, bottom blob %s diff: %g', node.name, blob.name,
                     _mean(blob.diff))
    for i, blob in enumerate(node.layer.blobs):
        if node.layer.param_propagate_down[i]:
            log.info('    [Backward] Layer %s, param blob %d diff: %g', node.name, i,
                     _mean(blob.diff))


def totals(net: 'Net') -> None:
    """Log L1 and L2 norms over all parameters."""
    data = [row.blob.data.double() for row in net.learnable]
    diff = [row.blob.diff.double() for row in net.learnable]
    l1 = [float(sum(t.abs().sum() for t in ts)) for ts in (data, diff)]
    l2 = [float(sum(t.square().sum() for t in ts)) ** 0.5 for ts in (data, diff)]
    log.error('    [Backward] All net params (data, diff): L1 norm = (%g, %g); '
              'L2 norm = (%g, %g)', *l1, *l2)
