"""Several ranks train one solver, each on images of its own (Caffe's parallel.cpp).

As there, gradients are averaged: summed over the ranks and divided by their number, before they
are clipped and divided by iter_size. So N ranks update as one process does whose iter_size, and
clip_gradients where it is set, are N times as large. Sums are sent while the backward pass goes
on; every rank then makes the same update, and rank 0 alone writes.
"""

import hashlib
import logging
from typing import Any

import torch

from port.distributed.alone import Alone, Facts
from port.distributed.buckets import BucketedSums
from port.engine.params import Learnable
from port.training import snapshot
from port.training.solver import Solver
from port.training.solver_nets import data_layers
from port.training.updates import LINEAR

log = logging.getLogger('port.solver')
MB = 1e6


def use_ranks(solver: Solver, ranks: Alone, synchronised: bool = False) -> None:
    """Have a solver train together with other ranks; before it restores a snapshot, and after it
    was given a faster pass.

    Every data layer reads its share from here on: of N ranks, pass t reads what passes
    t N … t N + N - 1 of one process would. synchronised: BatchNorm normalises by the batches of
    all ranks as one. ValueError for a layer that cannot do either.
    """
    solver.ranks = ranks
    share_data(solver, ranks)
    snapshot.restore_share(solver.net, {}, ranks)
    if synchronised:
        synchronise(solver, ranks)
    RankTraining(solver, ranks)


def synchronise(solver: Solver, ranks: Alone) -> None:
    """Have BatchNorm normalise by the batches of all ranks, in the plain engine, which asks it."""
    if solver.one_pass is not None:
        log.warning('synchronised statistics: the plain engine trains')
        solver.one_pass = None
    for node in solver.net.nodes:
        layer: Any = node.layer
        if layer.type == 'BN' and layer.learn:
            raise ValueError(f'{node.entry.label}: SegNet\'s BN is not synchronised; write '
                             'BatchNorm and Scale in its place')
        if layer.type == 'BatchNorm' and not layer.stored:
            layer.over_ranks = ranks.add


def share_data(solver: Solver, ranks: Alone) -> None:
    """Have the data layers stand where rank 0's stand, and take their shares from there."""
    states = ranks.gathered([snapshot.layer_states(net) for net in (solver.net, *solver.test_nets)])
    with ranks.agreed():
        for net, known in zip((solver.net, *solver.test_nets), states[0], strict=True):
            for node in data_layers(net):
                layer: Any = node.layer
                if node.name in known:
                    layer.restore(known[node.name])
        for node in data_layers(solver.net):
            layer = node.layer
            try:
                layer.take_share(ranks.rank, ranks.size)
            except (ValueError, AttributeError) as error:
                raise ValueError(f'{node.entry.label}: {error}') from error


def facts(solver: Solver) -> Facts:
    """Return digests of what all ranks must have alike."""
    net = hashlib.sha256()
    for entry in solver.net.entries:
        net.update(entry.param.SerializeToString(deterministic=True))
    weights = hashlib.sha256()
    for row in solver.net.learnable:
        weights.update(row.blob.data.cpu().contiguous().numpy().data)
    param = hashlib.sha256(solver.param.SerializeToString(deterministic=True))
    return {'solver': param.hexdigest(), 'net': net.hexdigest(), 'set of weights':
            weights.hexdigest(), 'iteration': str(solver.iteration)}


class RankTraining:
    """The hooks of a solver that averages its gradients over ranks.

    Only gradients that are computed travel, not those of fixed layers. travelling: parameters by
    the order in which the backward pass completes them. complete: node -> those that are whole
    once its backward pass is done.
    """

    def __init__(self, solver: Solver, ranks: Alone) -> None:
        self.solver, self.ranks = solver, ranks
        self.travelling: list[Learnable] = []
        self.complete: dict[int, list[Learnable]] = {}
        self._find()
        self.places = {id(row): i for i, row in enumerate(self.travelling)}
        self.sums = BucketedSums([row.blob.count for row in self.travelling])
        self.late = self._average_late()
        self.passes, self.fast = 0, solver.one_pass
        solver.one_pass = self._pass
        solver.on_complete = self._ready
        solver.on_start.append(self._begin)
        solver.on_gradients.append(self._average)
        solver.on_test.append(self._spread_statistics)
        self._tell()

    def _find(self) -> None:
        """Find which parameters have gradients, and which layer adds to each last."""
        net = self.solver.net
        last: dict[int, tuple[Learnable, int]] = {}
        for i in range(len(net.nodes) - 1, -1, -1):
            node = net.nodes[i]
            for k, wanted in enumerate(node.layer.param_propagate_down):
                if wanted and node.need_backward:
                    row = net.param_owner[node.name, k]
                    last[id(row)] = row, i
        for row, i in sorted(last.values(), key=lambda found: -found[1]):
            self.complete.setdefault(i, []).append(row)
            self.travelling.append(row)

    def _average_late(self) -> bool:
        """Leave the division by the number of ranks to the update where it is linear and nothing
        looks at the gradients before: rate (g / N + decay w) is rate / N (g + N decay w). That
        saves a way through memory.
        """
        p, count, descend = self.solver.param, self.ranks.size, self.solver.descend
        if p.type not in LINEAR or p.clip_gradients >= 0:
            return False
        self.solver.descend = lambda p, it, rate, decay, blobs, history: descend(
            p, it, rate / count, decay * count, blobs, history)
        return True

    def _tell(self) -> None:
        sent = 4 * sum(row.blob.count for row in self.travelling)
        whole = 4 * sum(row.blob.count for row in self.solver.net.learnable)
        log.info('%d ranks: %.3f MB of gradients a step in %d buckets; %.3f MB of fixed layers '
                 'stay; a step takes %d images\' worth of passes', self.ranks.size, sent / MB,
                 len(self.sums.buckets), (whole - sent) / MB,
                 self.ranks.size * self.solver.param.iter_size)

    def _begin(self) -> None:
        self.passes = 0
        self.sums.begin()

    @property
    def _last(self) -> bool:
        """Whether this is the pass that completes the gradients of a step."""
        return self.passes == self.solver.param.iter_size

    def _pass(self) -> torch.Tensor | float:
        """Run one pass; in the last of a step, send what its backward pass completes."""
        net = self.solver.net
        self.passes += 1
        if self.fast is not None:
            return self.fast()
        if not self._last or net.debug_info:
            return self.solver.plain_pass()
        loss = net.run_forward()
        for i in range(len(net.nodes) - 1, -1, -1):
            net.backward(i, i)
            for row in self.complete.get(i, ()):
                self._ready(row)
        return loss

    def _ready(self, row: Learnable) -> None:
        place = self.places.get(id(row))
        if place is not None and self._last and place not in self.sums.tensors:
            self.sums.ready(place, row.blob.diff)

    def _average(self) -> None:
        """Send what is left, wait, and divide by the number of ranks, as Caffe does, unless the
        update does so.
        """
        for row in self.travelling:
            self._ready(row)
        self.sums.finish()
        for row in self.travelling if not self.late else ():
            row.blob.diff.mul_(1 / self.ranks.size)

    def _spread_statistics(self) -> None:
        """Test with rank 0's statistics of batches, which are those that snapshots hold."""
        travelling = {id(row.blob) for row in self.travelling}
        for row in self.solver.net.learnable:
            if id(row.blob) not in travelling:
                self.ranks.spread(row.blob.data)
