"""The outputs of a solver's nets: their means over a test, and Caffe's lines of them
(Solver::Test, Solver::Step).
"""

import logging
from collections.abc import Callable

import torch

from port.distributed.alone import Alone
from port.engine.net import Net
from port.training.solver_nets import can_skip, skip

log = logging.getLogger('port.solver')


def mean_outputs(net: Net, count: int, ranks: Alone, asked: Callable[[], bool],
                 forward: Callable[[], torch.Tensor | float]
                 ) -> tuple[float, list[torch.Tensor]] | None:
    """Run a test net `count` times by `forward`, by shares of several ranks; return the mean loss
    and the mean of each output. None as soon as `asked` says that a stop was asked for.

    Where a data layer cannot leave out the passes of others, every rank runs them all.
    """
    mine = ranks.share(count) if can_skip(net) else range(count)
    sums: list[torch.Tensor] = []
    loss: torch.Tensor | float = 0.0
    skip(net, mine.start)
    for _ in mine:
        if asked():
            return None
        loss = loss + forward()
        values = [net.blobs[name].data for name in net.outputs]
        sums = [s + v for s, v in zip(sums, values, strict=True)] if sums else [
            v.clone() for v in values]
    skip(net, count - mine.stop)
    total = float(loss)
    if len(mine) < count:
        sums = [ranks.add(s) for s in
                sums or [torch.zeros_like(net.blobs[name].data) for name in net.outputs]]
        total, = ranks.sums([total])
    if not count:                            # Caffe divides its loss by 0, and has no output to log
        return float('nan'), []
    return total / count, [s / count for s in sums]


def log_outputs(kind: str, net: Net, values: list[torch.Tensor]) -> None:
    """Log 'Train|Test net output #k: name = value (* weight = … loss)' for every output value."""
    k = 0
    for blob, name, value in zip(net.outputs, net.split_outputs, values, strict=True):
        weight = net.loss_weights.get(blob, 0.0)
        for number in value.reshape(-1).tolist():
            loss = f' (* {weight:g} = {weight * number:g} loss)' if weight else ''
            log.info('    %s net output #%d: %s = %g%s', kind, k, name, number, loss)
            k += 1
