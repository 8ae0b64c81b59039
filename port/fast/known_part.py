"""Which layers of a net that reads its own data are computed here, and which the plain engine runs:
the part that is known, from the data on, and what follows it, losses and measures among them.
"""

from collections.abc import Iterable

import torch

from netspec.schema.messages import EltwiseParameter
from port.engine.blob import Blob
from port.engine.net import Net
from port.engine.wiring import Node
from port.fast.reach.operations import ProgramMaker
from port.fast.unsuited import Unsuited

KEEP_SIGNS = ('Dropout', 'ReLU')     # what a ReLU's gradient asks of its top, or make it zero


def written_over(nodes: Iterable[Node]) -> set[str]:
    """Return the names of the layers whose backward pass reads a top that a later layer, in place,
    has written over: their gradients are what Caffe makes of that.
    """
    writers: dict[int, list[Node]] = {}           # of each blob, by its id
    found: set[str] = set()
    for node in nodes:
        for blob in node.top:
            before = writers.get(id(blob), []) if any(blob is b for b in node.bottom) else []
            found.update(one.name for one in before if _reads_top(one)
                         and not (one.layer.type == 'ReLU' and node.layer.type in KEEP_SIGNS))
            writers[id(blob)] = [*before, node]
    return found


def _reads_top(node: Node) -> bool:
    kind, p = node.layer.type, node.layer.param
    return (node.layer.facts.kind == 'neuron' and kind not in ('Dropout', 'PReLU')
            or kind in ('LRN', 'Softmax')
            or kind == 'Eltwise' and p.eltwise_param.operation == EltwiseParameter.PROD)


class KnownPart:
    """feeds: the places in net.nodes of the layers that bring data, which have no bottoms, and of
    the Splits that copy data for several readers. known: those of the layers that `program`
    computes. rest: all others. reads: of a place in the rest, the values of the program that it
    reads, by the number of the bottom. shown: the blobs that a value is to be seen in. reasons: why
    places in the rest are there; not of those that only read what others there write.

    Raises Unsuited, naming a layer, for a net of which nothing is known.
    """

    def __init__(self, net: Net, training: bool) -> None:
        self.net, self.reason = net, 'the net has no layers that read data'
        self.feeds: list[int] = []
        self.known: list[int] = []
        self.rest: list[int] = []
        self.reads: dict[int, dict[int, int]] = {}
        self.reasons: dict[int, str] = {}
        self._spoilt = written_over(net.nodes) if training else set()
        maker = ProgramMaker(training)
        for place, node in enumerate(net.nodes):
            self._take(maker, place, node, training)
        self.shown = self._find_shown(maker)
        if not self.shown:
            raise Unsuited(self.reason)
        self.program = maker.finish({blobs[0].name: value for value, blobs in self.shown.items()})
        self._in_place = any(set(net.nodes[place].top).intersection(net.nodes[place].bottom)
                             for place in self.rest)

    def _take(self, maker: ProgramMaker, place: int, node: Node, training: bool) -> None:
        values, data = maker.values, set(maker.inputs.values())
        found = {i: values[id(blob)] for i, blob in enumerate(node.bottom) if id(blob) in values}
        if not node.bottom or node.layer.type == 'Split' and found.get(0) in data:
            self.feeds.append(place)
            maker.add(node)
        elif len(found) == len(node.bottom) and not self._why_not(maker, place, training):
            self.known.append(place)
            maker.add(node)
        else:
            self.rest.append(place)
            self.reads[place] = {i: value for i, value in found.items() if value not in data}
            for blob in node.top:                         # one in place is no value of ours now
                values.pop(id(blob), None)

    def _why_not(self, maker: ProgramMaker, place: int, training: bool) -> str:
        """Return and keep why the plain engine must run a layer."""
        node = self.net.nodes[place]
        why = maker.why_not(node)
        if not why and any(node.layer.loss_weights):
            why = f'layer {node.name!r}: a loss_weight'
        if not why and training and not all(node.layer.param.propagate_down):
            why = f'layer {node.name!r}: propagate_down: false'
        if not why and node.name in self._spoilt:
            why = f'layer {node.name!r}: a layer in place writes over what its way back reads'
        if why:
            self.reason = why if not self.rest else self.reason
            self.reasons[place] = why
        return why

    def _find_shown(self, maker: ProgramMaker) -> dict[int, list[Blob]]:
        nodes, values, net = self.net.nodes, maker.values, self.net
        read = [(value, nodes[place].bottom[i]) for place, found in self.reads.items()
                for i, value in found.items()]
        known = [(values[id(blob)], blob) for blob in net.all_blobs.values() if id(blob) in values]
        wanted = {value for value, _ in read}
        wanted.update(values.get(id(net.blobs[name]), -1) for name in net.outputs)
        wanted.difference_update(maker.inputs.values())
        shown: dict[int, list[Blob]] = {}
        for value, blob in (*read, *known):
            if value in wanted and blob not in shown.setdefault(value, []):
                shown[value].append(blob)
        return shown

    def show(self, value: int, data: torch.Tensor) -> None:
        """Put a value into its blobs; a copy where a later layer may write into them."""
        data = data.contiguous()
        data = data.clone() if self._in_place else data
        for blob in self.shown[value]:
            blob.data = data

    def run(self, places: Iterable[int]) -> torch.Tensor | float:
        """Have the plain engine run layers; return their part of the loss."""
        return sum(self.net.run_forward(place, place) for place in places)
