"""Have a solver train, or a net run, by the fast engine where it knows their layers. On request
only, as the blobs between data and scores are then not there to be looked at.
"""

import logging
from collections.abc import Callable, Sequence
from weakref import proxy

import torch

from netspec.schema.messages import TEST, SolverParameter
from port.engine.blob import Blob
from port.engine.net import Net
from port.fast.kernels import calls, sgd
from port.fast.labelled_scoring import FastScoring
from port.fast.training import FastTraining
from port.fast.unsuited import Unsuited
from port.training import updates
from port.training.solver import Solver

log = logging.getLogger('port.fast')
Pass = Callable[[], torch.Tensor | float]


def use_fast(solver: Solver) -> str:
    """Train by fast passes from now on; return '' or why the plain ones must stay.

    Parameters are updated as soon as their gradients are complete, unless something needs all
    gradients together: clipping, several passes an iteration, a listener.
    """
    owner = proxy(solver)                    # a cycle would keep its nets when it is let go of
    try:
        fast = FastTraining(solver.net)
    except Unsuited as error:
        log.warning('--fast has no use here, the plain engine trains: %s', error)
        return str(error)

    def one_pass() -> torch.Tensor | float:
        if owner.net.watched:
            return owner.plain_pass()
        p = owner.param
        alone = p.iter_size == 1 and p.clip_gradients < 0 and not owner.on_gradients
        return fast(owner.update_early if alone else owner.on_complete, owner.look)
    solver.one_pass = one_pass
    if solver.param.type == 'SGD':
        solver.descend = descend
    return ''


def fast_forward(net: Net) -> Pass:
    """Return the fastest that runs a net forward, from its data to its losses."""
    try:
        fast = FastScoring(net) if net.phase == TEST else FastTraining(net).forward
    except Unsuited as error:
        log.info('run otherwise: %s', error)
        return net.run_forward
    return lambda: net.run_forward() if net.watched else fast()


def descend(p: SolverParameter, it: int, rate: float, decay: float, blobs: Sequence[Blob],
            history: Sequence[updates.Tensors]) -> updates.Tensors:
    """As updates.descend for SGD, in one pass over the memory where our kernels are."""
    rows = [(blob.data, velocity, blob.diff)
            for blob, velocity in zip(blobs, history[0], strict=True)]
    fits = all(t.device.type == 'cpu' and t.dtype == torch.float32 and t.is_contiguous()
               for row in rows for t in row)
    if not fits or p.iter_size > 1 or p.regularization_type == 'L1' or not calls.available():
        return updates.descend(p, it, rate, decay, blobs, history)
    for row in rows:
        sgd.descend(*row, p.momentum, rate, decay)
    return history[0]
