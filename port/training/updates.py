"""The solver types: how gradients become updates (src/caffe/solvers/*.cpp).

Each function takes the gradients g (normalised, with weight decay) of several parameters that share
a rate, and their histories: for each kind of history a list with one tensor for each parameter. It
changes the histories in place and returns what is subtracted from the parameters. The rate is
inside the velocity, as in Caffe: v <- momentum v + rate g.

torch's foreach operations update a whole list in one launch on a GPU; the numbers are the same as
one parameter at a time.
"""

import logging
from collections.abc import Callable, Sequence
from math import nan, sqrt

import torch
from torch import (
    _foreach_add,
    _foreach_add_,
    _foreach_addcmul_,
    _foreach_div,
    _foreach_div_,
    _foreach_mul,
    _foreach_mul_,
    _foreach_sign,
    _foreach_sqrt,
    _foreach_sqrt_,
    _foreach_sub_,
)

from netspec.schema.messages import SolverParameter
from port.engine.blob import Blob

log = logging.getLogger('port.solver')
Tensors = list[torch.Tensor] | tuple[torch.Tensor, ...]
Update = Callable[[SolverParameter, int, float, Tensors, Sequence[Tensors]], Tensors]


def sgd(p: SolverParameter, it: int, rate: float, g: Tensors, h: Sequence[Tensors]) -> Tensors:
    """v <- m v + rate g; the update is v itself, not a copy."""
    _foreach_mul_(h[0], p.momentum)
    _foreach_add_(h[0], g, alpha=rate)
    return h[0]


def nesterov(p: SolverParameter, it: int, rate: float, g: Tensors,
             h: Sequence[Tensors]) -> Tensors:
    """v' = m v + rate g; update (1 + m) v' - m v."""
    back = _foreach_mul(h[0], p.momentum)
    sgd(p, it, rate, g, h)
    update = _foreach_mul(h[0], 1 + p.momentum)
    _foreach_sub_(update, back)
    return update


def adagrad(p: SolverParameter, it: int, rate: float, g: Tensors,
            h: Sequence[Tensors]) -> Tensors:
    """s <- s + g^2; update rate g / (sqrt(s) + delta)."""
    _foreach_addcmul_(h[0], g, g)
    return scaled(g, h[0], p.delta, rate)


def rmsprop(p: SolverParameter, it: int, rate: float, g: Tensors,
            h: Sequence[Tensors]) -> Tensors:
    """s <- d s + (1 - d) g^2; update rate g / (sqrt(s) + delta)."""
    _foreach_mul_(h[0], p.rms_decay)
    _foreach_addcmul_(h[0], g, g, value=1 - p.rms_decay)
    return scaled(g, h[0], p.delta, rate)


def adadelta(p: SolverParameter, it: int, rate: float, g: Tensors,
             h: Sequence[Tensors]) -> Tensors:
    """s <- m s + (1 - m) g^2; u = g sqrt((x + delta) / (s + delta)); x <- m x + (1 - m) u^2."""
    squares, steps = h
    _foreach_mul_(squares, p.momentum)
    _foreach_addcmul_(squares, g, g, value=1 - p.momentum)
    update = _foreach_add(steps, p.delta)
    _foreach_div_(update, _foreach_add(squares, p.delta))
    _foreach_sqrt_(update)
    _foreach_mul_(update, g)
    _foreach_mul_(steps, p.momentum)
    _foreach_addcmul_(steps, update, update, value=1 - p.momentum)
    _foreach_mul_(update, rate)
    return update


def adam(p: SolverParameter, it: int, rate: float, g: Tensors, h: Sequence[Tensors]) -> Tensors:
    """m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; rate sqrt(1-b2^t)/(1-b1^t) m/(sqrt(v)+d)."""
    mean, square = h
    _foreach_mul_(mean, p.momentum)
    _foreach_add_(mean, g, alpha=1 - p.momentum)
    _foreach_mul_(square, p.momentum2)
    _foreach_addcmul_(square, g, g, value=1 - p.momentum2)
    try:
        correction = sqrt(1 - p.momentum2 ** (it + 1)) / (1 - p.momentum ** (it + 1))
    except (ArithmeticError, ValueError):      # of momenta beyond 1 C++ makes inf or nan
        correction = nan
    return scaled(mean, square, p.delta, rate * correction)


def scaled(above: Tensors, squares: Tensors, delta: float, rate: float) -> Tensors:
    """Return rate above / (sqrt(squares) + delta)."""
    below = _foreach_sqrt(squares)
    _foreach_add_(below, delta)
    update = _foreach_div(above, below)
    _foreach_mul_(update, rate)
    return update


UPDATES: dict[str, tuple[Update, int]] = {   # type -> (update, histories a parameter)
    'SGD': (sgd, 1), 'Nesterov': (nesterov, 1), 'AdaGrad': (adagrad, 1), 'RMSProp': (rmsprop, 1),
    'AdaDelta': (adadelta, 2), 'Adam': (adam, 2),
}
LINEAR = ('SGD', 'Nesterov')                 # whose histories a rate of 0 leaves at zero


def descend(p: SolverParameter, it: int, rate: float, decay: float, blobs: Sequence[Blob],
            history: Sequence[Tensors]) -> Tensors:
    """Update parameters that share a rate and a decay; return the updates.

    Their gradients are divided by iter_size, and weight decay is added. history: for each kind of
    history, one tensor for each parameter.
    """
    data, gradients = [blob.data for blob in blobs], [blob.diff for blob in blobs]
    if p.iter_size > 1:
        _foreach_mul_(gradients, 1 / p.iter_size)
    if decay:
        pull = _foreach_sign(data) if p.regularization_type == 'L1' else data
        _foreach_add_(gradients, pull, alpha=decay)
    found = UPDATES[p.type][0](p, it, rate, gradients, history)
    _foreach_sub_(data, found)
    return found


def clip(p: SolverParameter, blobs: Sequence[Blob]) -> None:
    """Scale all gradients down where their norm is above clip_gradients (SGDSolver::ClipGradients).
    """
    if p.clip_gradients < 0:
        return
    norm = sqrt(float(sum(blob.diff.double().square().sum() for blob in blobs)))
    if norm > p.clip_gradients:
        scale = p.clip_gradients / norm
        log.info('Gradient clipping: scaling down gradients (L2 norm %g > %g) by scale factor %g',
                 norm, p.clip_gradients, scale)
        for blob in blobs:
            blob.diff.mul_(scale)


def check(p: SolverParameter) -> None:
    """Raise ValueError or KeyError where a solver type refuses the options, as Caffe does."""
    if p.type not in UPDATES:
        raise KeyError(f'unknown solver type {p.type!r}; known: {", ".join(UPDATES)}')
    if p.type in ('AdaGrad', 'RMSProp') and p.momentum:
        raise ValueError(f'solver type {p.type}: momentum cannot be used, got {p.momentum:g}')
    if p.type == 'RMSProp' and not 0 <= p.rms_decay < 1:
        raise ValueError(f'solver type RMSProp: rms_decay must lie in [0, 1), got {p.rms_decay:g}')
    if p.regularization_type not in ('L1', 'L2'):
        raise ValueError(f'unknown regularization_type {p.regularization_type!r}; '
                         'expected "L2" or "L1"')
