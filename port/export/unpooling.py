"""Compares nets that undo pooling (SegNet's), whose scores depend on the places of maxima.

Where two values of a window are equal but for rounding, another order of summing may find the other
one. Unpooling then puts the value one pixel away, and scores there differ by far more than
rounding, though both results are right. So the places themselves are compared, and then the scores,
with the same places (ONNX Runtime's) in both.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from port.engine.net import Net
from port.engine.wiring import Node


def masks(net: Net) -> dict[int, str]:
    """Return the blob of the mask of each pooling, by the index of its layer."""
    return {i: node.entry.param.top[1] for i, node in enumerate(net.nodes)
            if node.layer.type == 'Pooling' and len(node.top) > 1}


def with_masks(net: Net, path: str | Path) -> str | bytes:
    """Return an exported model with the net's masks as further outputs; the path itself if it has
    none.
    """
    if not masks(net):
        return str(path)
    import onnx
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in masks(net).values())
    return model.SerializeToString()


class Unpooling:
    """Runs a net with the masks of another run of it, and counts where they differ.

    tie: two maxima may differ by this part of the largest value. moved: maxima at another place
    that are such ties; the other run's place is taken. astray: maxima at another place that are
    not.
    """

    def __init__(self, net: Net, tie: float) -> None:
        self.net, self.masks, self.tie = net, masks(net), tie
        self.moved = self.astray = 0

    def forward(self, inputs: Mapping[str, np.ndarray],
                given: Sequence[np.ndarray]) -> dict[str, torch.Tensor]:
        """Run the net with these masks, in the order of `masks`; return its outputs."""
        taken = dict(zip(self.masks, given, strict=True))

        def hook(i: int) -> None:
            if i in taken:
                self._take(self.net.nodes[i], taken[i])
        self.net.after_forward.append(hook)
        try:
            return self.net.forward(**inputs)
        finally:
            self.net.after_forward.remove(hook)

    def _take(self, node: Node, given: np.ndarray) -> None:
        """Put the places of ties into a pooling's mask."""
        values, (top, mask) = node.bottom[0].data.flatten(2), (blob.data for blob in node.top)
        other = torch.as_tensor(given).to(mask)
        places = other.long().clamp(0, values.shape[2] - 1)
        there = values.gather(2, places.flatten(2)).view_as(top)
        tied = (places == other) & (top - there <= self.tie * values.abs().max())
        self.moved += int((tied & (other != mask)).sum())
        self.astray += int((~tied).sum())
        node.top[1].data = torch.where(tied, other, mask)
