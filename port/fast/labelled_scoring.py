"""Forward passes of nets with data and losses in the TEST phase: the scores by the fast engine."""

import logging

import torch

from port.engine.net import Net
from port.engine.wiring import Node
from port.fast.data_and_losses import DataAndLosses, refuse_loss
from port.fast.inference import FastNet
from port.fast.unsuited import Unsuited

log = logging.getLogger('port.fast')


class FastScoring:
    """Runs a net that holds its scores against labels; equal to Net.run_forward within rounding.

    net.blobs hold the data, the scores and what follows them (losses, accuracy) afterwards, not
    what is between. Raises Unsuited for a net without a loss, one whose layers the fast engine
    does not know, and one that has uses for the blobs between.
    """

    def __init__(self, net: Net) -> None:
        self.net, ends = net, DataAndLosses(net)
        self.feeds = ends.feeds
        self.scores = list(dict.fromkeys(ends.scores(loss).name for loss in ends.losses))
        trunk = self._above()
        self.trunk = sorted(trunk.difference(self.feeds))
        self.rest = [i for i, node in enumerate(net.nodes) if i not in self.feeds
                     and (i not in trunk or self._copies_scores(node))]
        refuse_loss([net.nodes[i] for i in self.trunk])
        self._check()
        self.fast = FastNet(net, self.scores)

    def _above(self) -> set[int]:
        """Return the places of the layers that the scores come from."""
        wanted, found = {id(self.net.all_blobs[name]) for name in self.scores}, set()
        for i, node in reversed([*enumerate(self.net.nodes)]):
            if any(id(blob) in wanted for blob in node.top):
                found.add(i)
                wanted.update(id(blob) for blob in node.bottom)
        return found

    def _copies_scores(self, node: Node) -> bool:
        return node.layer.type == 'Split' and node.bottom[0].name in self.scores

    def _check(self) -> None:
        """Raise Unsuited where something beside the scores reads what is not kept."""
        nodes = self.net.nodes
        known = {id(blob) for i in self.feeds for blob in nodes[i].top}
        known.update(id(self.net.all_blobs[name]) for name in self.scores)
        for i in self.rest:
            lost = [blob.name for blob in nodes[i].bottom if id(blob) not in known]
            if lost:
                raise Unsuited(f'layer {nodes[i].name!r}: reads {lost[0]!r} beside the scores')
            known.update(id(blob) for blob in nodes[i].top)

    @torch.no_grad()
    def __call__(self) -> torch.Tensor | float:
        """Take the next data, run the net, return the loss."""
        net = self.net
        self._run(self.feeds)
        try:
            found = self.fast(**{name: net.all_blobs[name].data
                                 for name in self.fast.program.inputs})
            for name, scores in found.items():
                net.all_blobs[name].data = scores
        except Unsuited as error:                # images of this size only
            log.info('a pass by the plain engine: %s', error)
            self._run(self.trunk)
        net.loss = self._run(self.rest)
        return net.loss

    def _run(self, places: list[int]) -> torch.Tensor | float:
        return sum(self.net.run_forward(i, i) for i in places)
