"""The solver types: from gradients to updates (src/caffe/solvers/*.cpp).

Each function takes the gradients g (normalised and regularised), the history and local rates,
changes the history in place and returns what is subtracted from the parameters. The rate is
inside the velocity, as in Caffe: v <- momentum v + rate g.
"""

from collections.abc import Callable, Sequence
from math import sqrt

import torch

from netspec.schema.messages import SolverParameter
from port.blob import Blob

Tensors = Sequence[torch.Tensor]
Update = Callable[[SolverParameter, int, float, torch.Tensor, Tensors], torch.Tensor]


def sgd(p: SolverParameter, it: int, rate: float, g: torch.Tensor, h: Tensors) -> torch.Tensor:
    """v <- m v + rate g; the update is v itself, not a copy."""
    return h[0].mul_(p.momentum).add_(g, alpha=rate)


def nesterov(p: SolverParameter, it: int, rate: float, g: torch.Tensor,
             h: Tensors) -> torch.Tensor:
    """v' = m v + rate g; update (1 + m) v' - m v."""
    back = h[0] * p.momentum
    h[0].mul_(p.momentum).add_(g, alpha=rate)
    return (h[0] * (1 + p.momentum)).sub_(back)


def adagrad(p: SolverParameter, it: int, rate: float, g: torch.Tensor,
            h: Tensors) -> torch.Tensor:
    """s <- s + g^2; update rate g / (sqrt(s) + delta)."""
    h[0].addcmul_(g, g)
    return (g / h[0].sqrt().add_(p.delta)).mul_(rate)


def rmsprop(p: SolverParameter, it: int, rate: float, g: torch.Tensor,
            h: Tensors) -> torch.Tensor:
    """s <- d s + (1 - d) g^2; update rate g / (sqrt(s) + delta)."""
    h[0].mul_(p.rms_decay).addcmul_(g, g, value=1 - p.rms_decay)
    return (g / h[0].sqrt().add_(p.delta)).mul_(rate)


def adadelta(p: SolverParameter, it: int, rate: float, g: torch.Tensor,
             h: Tensors) -> torch.Tensor:
    """s <- m s + (1 - m) g^2; u = g sqrt((x + delta) / (s + delta)); x <- m x + (1 - m) u^2."""
    squares, steps = h
    squares.mul_(p.momentum).addcmul_(g, g, value=1 - p.momentum)
    update = (steps + p.delta).div_(squares + p.delta).sqrt_().mul_(g)
    steps.mul_(p.momentum).addcmul_(update, update, value=1 - p.momentum)
    return update.mul_(rate)


def adam(p: SolverParameter, it: int, rate: float, g: torch.Tensor, h: Tensors) -> torch.Tensor:
    """m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; rate sqrt(1-b2^t)/(1-b1^t) m/(sqrt(v)+d)."""
    mean, square = h
    mean.mul_(p.momentum).add_(g, alpha=1 - p.momentum)
    square.mul_(p.momentum2).addcmul_(g, g, value=1 - p.momentum2)
    correction = sqrt(1 - p.momentum2 ** (it + 1)) / (1 - p.momentum ** (it + 1))
    return (mean / square.sqrt().add_(p.delta)).mul_(rate * correction)


UPDATES: dict[str, tuple[Update, int]] = {   # type -> (update, histories a parameter)
    'SGD': (sgd, 1), 'Nesterov': (nesterov, 1), 'AdaGrad': (adagrad, 1), 'RMSProp': (rmsprop, 1),
    'AdaDelta': (adadelta, 2), 'Adam': (adam, 2),
}
LINEAR = ('SGD', 'Nesterov')                 # whose histories a rate of 0 leaves at zero


def descend(p: SolverParameter, it: int, rate: float, decay: float, blob: Blob,
            history: Tensors) -> torch.Tensor:
    """Divide the gradient by iter_size, add the weight decay, update the data; return the update.
    """
    gradient = blob.diff
    if p.iter_size > 1:
        gradient.mul_(1 / p.iter_size)
    if decay:
        data = blob.data
        gradient.add_(data.sign() if p.regularization_type == 'L1' else data, alpha=decay)
    update = UPDATES[p.type][0](p, it, rate, gradient, history)
    blob.data.sub_(update)
    return update


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
