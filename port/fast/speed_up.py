"""Which engine trains a net, or runs it with its data: the fast one as far as it knows the layers,
or the plain one. Here alone it is decided, and said in the log.

port.Net and port.Solver are plain unless this is asked of them: by the fast engine the blobs
between data and scores are not there to be looked at.
"""

import logging
from collections.abc import Callable, Sequence
from weakref import proxy

import torch

from netspec.schema.messages import TEST, SolverParameter
from port.engine.blob import Blob
from port.engine.layer import LossLayer
from port.engine.net import Net
from port.engine.params import Learnable
from port.fast.kernels import calls, sgd
from port.fast.known_part import KnownPart
from port.fast.labelled_scoring import FastScoring
from port.fast.training import FastTraining
from port.fast.unsuited import Unsuited
from port.training import updates
from port.training.solver import Solver

log = logging.getLogger('port.fast')
Pass = Callable[[], torch.Tensor | float]
LARGE = 1 << 16         # values of a parameter, whose gradient's memory is worth saving
MEASURES = ('Accuracy', 'SegAccuracy', 'Silence')      # of the plain engine in every net, as losses


def train_by(solver: Solver, asked: bool | None = None) -> str:
    """Train by the engine asked for from now on, and test by it; return '' or why the plain one
    trains all the same. asked: True for the fast one, False for the plain one, None for the fast
    one on a CPU: on a GPU it has to be asked for.

    Fast passes update parameters as soon as their gradients are complete, unless something needs
    all gradients together: clipping, several passes an iteration, a listener.
    """
    if not _wanted(solver.net, asked):
        return ''
    solver.test_passes = [forward_by(net, asked) for net in solver.test_nets]
    owner = proxy(solver)                    # a cycle would keep its nets when it is let go of
    fast = _training(solver.net, logging.WARNING if asked else logging.INFO)
    if isinstance(fast, str):
        return fast

    def one_pass() -> torch.Tensor | float:
        if owner.net.watched:
            return owner.plain_pass()
        p = owner.param
        alone = p.iter_size == 1 and p.clip_gradients < 0 and not owner.on_gradients
        in_parts = owner.update_early if alone and p.type == 'SGD' else None
        return fast(update_large if alone else owner.on_complete, owner.look, in_parts)

    def update_large(row: Learnable) -> None:
        if row.blob.count >= LARGE:              # the rest is updated together at the end
            owner.update_early(row)
    solver.one_pass, solver.train_pass = one_pass, _unless_watched(solver.net, fast.forward)
    if solver.param.type == 'SGD':
        solver.descend = descend
        solver.together = True
    return ''


def forward_by(net: Net, asked: bool | None = None) -> Pass:
    """Return what runs a net forward, from its data to its losses, by the engine asked for; see
    train_by.
    """
    if not _wanted(net, asked):
        return net.run_forward
    if net.phase != TEST:
        training = _training(net)
        return (net.run_forward if isinstance(training, str) else
                _unless_watched(net, training.forward))
    try:
        fast = FastScoring(net)
    except Unsuited as error:
        _tell_refused(net, error)
        return net.run_forward
    _tell(fast.part)
    return _unless_watched(net, fast)


def both_ways_by(net: Net, asked: bool | None = None) -> Callable[[], object]:
    """Return what runs a training net forward and backward by the engine asked for; see train_by.
    """
    fast = _training(net) if _wanted(net, asked) else ''

    def plain() -> None:
        net.run_forward()
        net.backward()
    return plain if isinstance(fast, str) else fast


def _training(net: Net, level: int = logging.INFO) -> FastTraining | str:
    """Return the fast engine of a training net, or why it does not take it; log which."""
    try:
        fast = FastTraining(net)
    except Unsuited as error:
        _tell_refused(net, error, level)
        return str(error)
    _tell(fast.trained.part)
    return fast


def _unless_watched(net: Net, fast: Pass) -> Pass:
    return lambda: net.run_forward() if net.watched else fast()


# -- what the log says -----------------------------------------------------------------------------

def _wanted(net: Net, asked: bool | None) -> bool:
    """Return whether the fast engine is wanted for a net; where it is not, log that and why."""
    if asked is None and net.device.type == 'cpu' or asked:
        return True
    log.info('%s: by the plain engine, %s', _title(net),
             'as asked for' if asked is False else 'as on a GPU where --fast is not asked for')
    return False


def _title(net: Net) -> str:
    kind = 'testing' if net.phase == TEST else 'training'
    return f'the {kind} net{f" {net.param_name}" if net.param_name else ""}'


def _tell_refused(net: Net, error: Unsuited, level: int = logging.INFO) -> None:
    log.log(level, '%s: by the plain engine, as the fast one does not know it: %s', _title(net),
            error)


def _tell(part: KnownPart) -> None:
    """Log how far the fast engine runs a net, and why no further."""
    nodes = [(place, part.net.nodes[place]) for place in part.rest]
    left = [(place, node) for place, node in nodes
            if node.layer.type not in MEASURES and not isinstance(node.layer, LossLayer)]
    if not left:
        log.info('%s: by the fast engine', _title(part.net))
        return
    why = next((part.reasons[place] for place, _ in left if place in part.reasons), '')
    log.info('%s: by the fast engine, but for %d of %d layers, from %r on: %s', _title(part.net),
             len(left), len(part.net.nodes), left[0][1].name, why)


def descend(p: SolverParameter, it: int, rate: float, decay: float, blobs: Sequence[Blob],
            history: Sequence[updates.Tensors]) -> updates.Tensors:
    """As updates.descend for SGD, in one pass over the memory where our kernels are."""
    rows = [(blob.data, velocity, blob.diff)
            for blob, velocity in zip(blobs, history[0], strict=True)]
    fits = all(t.device.type == 'cpu' and t.dtype == torch.float32 and t.is_contiguous()
               for row in rows for t in row)
    if fits and p.iter_size == 1 and p.regularization_type != 'L1' and calls.available():
        sgd.descend(rows, p.momentum, rate, decay)
    elif blobs[0].device.type != 'cpu':
        updates.descend(p, it, rate, decay, blobs, history)
    else:                            # one by one, for less memory of intermediate values
        for i, blob in enumerate(blobs):
            updates.descend(p, it, rate, decay, [blob], [[kind[i]] for kind in history])
    return history[0]
