"""The statistics that BatchNorm tests with, counted anew with the final weights over training
images, as SegNet's authors do before they test (arXiv 1511.00561).

The averages kept during training lag behind: at their rate of 0.1 they hold batches of twenty
iterations ago, when the weights were others.
"""

from collections.abc import Callable
from typing import Any

import torch

from port.distributed.alone import ALONE, Alone
from port.engine.net import Net
from port.training.snapshot import extras, restore_extras

PASSES = 10     # batches of the training net


def recount(net: Net, forward: Callable[[], Any], passes: int = PASSES,
            ranks: Alone = ALONE) -> int:
    """Count the statistics of a training net's BatchNorm layers over its next batches.

    forward runs the net once. Several ranks share the batches, and add up what they counted.
    Afterwards data layers and the random generator stand where they stood before. Returns the
    number of BatchNorm layers; without any, nothing is run.
    """
    norms: list[Any] = [node.layer for node in net.nodes if node.layer.type == 'BatchNorm']
    layers = [layer for layer in norms if not layer.stored]
    if not layers:
        return 0
    before, held = extras(net), [(layer.fraction, layer.over_ranks) for layer in layers]
    try:
        with torch.no_grad():
            for layer in layers:
                layer.fraction, layer.over_ranks = 1.0, None    # every batch counts alike
                for blob in layer.blobs:
                    blob.data.zero_()
            for _ in range(ranks.rank, passes, ranks.size):
                forward()
            for blob in (blob for layer in layers for blob in layer.blobs):
                ranks.add(blob.data)
    finally:
        for layer, (fraction, over_ranks) in zip(layers, held, strict=True):
            layer.fraction, layer.over_ranks = fraction, over_ranks
        restore_extras(net, before)
    return len(layers)
