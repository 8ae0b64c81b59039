"""Where a net that learns or scores begins and ends: the layers that bring data, and the losses."""

from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.net import Net
from port.engine.wiring import Node
from port.fast.unsuited import Unsuited


class DataAndLosses:
    """feeds: indices in net.nodes of the layers that bring data, which have no bottoms, and of the
    automatic Splits that copy such data for several readers. losses: the loss layers. Raises
    Unsuited for a net without a loss.
    """

    def __init__(self, net: Net) -> None:
        self.net = net
        self.losses = [node for node in net.nodes if isinstance(node.layer, LossLayer)]
        if not self.losses:
            raise Unsuited('the net has no loss')
        self.feeds: list[int] = []
        self._fed: set[int] = set()
        for i, node in enumerate(net.nodes):
            if not node.bottom or node.layer.type == 'Split' and self.fed(node.bottom[0]):
                self.feeds.append(i)
                self._fed.update(id(blob) for blob in node.top)

    def fed(self, blob: Blob) -> bool:
        """Whether a blob holds data as a layer without bottoms brought them."""
        return id(blob) in self._fed

    def scores(self, loss: Node) -> Blob:
        """Return the blob in which a layer wrote a loss's scores, above any automatic Split."""
        blob = loss.bottom[0]
        for node in reversed(self.net.nodes[:self.net.nodes.index(loss)]):
            if node.layer.type == 'Split' and blob in node.top:
                blob = node.bottom[0]
        return blob


def refuse_loss(nodes: list[Node]) -> None:
    """Raise Unsuited if one of these layers, whose own code is not run, adds to the loss."""
    for node in nodes:
        if any(node.layer.loss_weights):
            raise Unsuited(f'layer {node.name!r}: a loss_weight within the trunk')
