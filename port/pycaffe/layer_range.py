"""Stretches of a net by the layer indices that a user sees, which leave automatic splits out.

A blob and its split copies are one blob to the user: forward refreshes the copies before it
begins and after it ends, and backward adds them up as soon as all of them are known.
"""

from collections.abc import Callable

import torch

from port.engine.blob import Blob
from port.engine.net import Net


class LayerRange:
    """Run from layer to layer of the prototxt. shown: for each of its layers the node's index."""

    def __init__(self, net: Net) -> None:
        self.net = net
        self.shown = [i for i, n in enumerate(net.nodes) if not n.entry.auto_split]
        self._index = {node: i for i, node in enumerate(self.shown)}
        self.splits = [i for i, n in enumerate(net.nodes) if n.entry.auto_split]

    def node(self, index: int) -> int:
        """Return the node of a layer index; IndexError where there is none."""
        if not 0 <= index < len(self.shown):
            raise IndexError(f'layer index {index} is out of range; the net has '
                             f'{len(self.shown)} layers')
        return self.shown[index]

    def forward(self, start: int, end: int) -> torch.Tensor | float:
        """Run layers start to end, both included; return their weighted loss."""
        first, last = self.node(start), self.node(end)
        if start:
            with torch.no_grad():
                for i in self.splits:
                    if i < first:
                        self.net.forward_layer(self.net.nodes[i])
        while last + 1 < len(self.net.nodes) and last + 1 in self.splits:
            last += 1
        return self.net.run_forward(first, last)

    def backward(self, start: int, end: int) -> None:
        """Run back from layer start to layer end, both included."""
        first, last = self.node(start), self.node(end)
        if start == len(self.shown) - 1:
            first = len(self.net.nodes) - 1
        self.net.backward(first if first < len(self.net.nodes) - 1 else None, last)
        for i in reversed(self.splits):
            if i < last and self._complete(i, first, last):
                self.net.backward(i, i)

    def partial(self, start: int, end: int) -> dict[str, Blob]:
        """Return, by name, the bottoms of layer `end` whose other readers lie outside the stretch:
        the copies, which hold the diff of this layer alone.
        """
        first, last = self.node(start), self.node(end)
        node = self.net.nodes[last]
        copies = {id(top): i for i in self.splits for top in self.net.nodes[i].top}
        return {self.net.nodes[copies[id(blob)]].bottom[0].name: blob for blob in node.bottom
                if id(blob) in copies and not self._complete(copies[id(blob)], first, last)}

    def _complete(self, split: int, first: int, last: int) -> bool:
        return all(last <= reader <= first for reader in self._readers(split))

    def _readers(self, split: int) -> list[int]:
        tops = {id(blob) for blob in self.net.nodes[split].top}
        return [i for i, node in enumerate(self.net.nodes)
                if any(id(blob) in tops for blob in node.bottom)]

    def counted(self, hook: Callable[[int], None]) -> Callable[[int], None]:
        """Return the hook to be called with the layer index, and not at all for splits."""
        def call(node: int) -> None:
            if node in self._index:
                hook(self._index[node])
        return call
