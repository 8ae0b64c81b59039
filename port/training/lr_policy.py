"""Learning rate policies (SGDSolver::GetLearningRate): iteration -> rate.

fixed  base_lr
step   base_lr * gamma ^ floor(iter / stepsize)
exp    base_lr * gamma ^ iter
inv    base_lr * (1 + gamma * iter) ^ -power
multistep  base_lr * gamma ^ (stepvalues reached)
poly   base_lr * (1 - iter / max_iter) ^ power
sigmoid  base_lr / (1 + exp(-gamma * (iter - stepsize)))
"""

from collections.abc import Callable
from math import exp, inf

from netspec.schema.messages import SolverParameter
from netspec.spec import unknown

LARGEST = (2 - 2 ** -23) * 2.0 ** 127      # of single precision
Policy = Callable[[SolverParameter, int, int], float]


def in_single(rate: float) -> float:
    """Return a rate as Caffe's single precision has it: infinite beyond its largest number."""
    return inf if rate > LARGEST else -inf if rate < -LARGEST else rate


def _power(base: float, power: float) -> float:
    """Return base ^ power of a base that is not negative; C's infinity where Python raises."""
    try:
        return float(base ** power)
    except (OverflowError, ZeroDivisionError):
        return inf


def _exp(power: float) -> float:
    try:
        return exp(power)
    except OverflowError:
        return inf


def _step(p: SolverParameter, it: int, step: int) -> float:
    if p.stepsize <= 0:
        raise ValueError(f'lr_policy {p.lr_policy!r} needs stepsize above 0, got {p.stepsize}')
    return p.base_lr * _power(p.gamma, it // p.stepsize)


def _sigmoid(p: SolverParameter, it: int, step: int) -> float:
    if p.stepsize <= 0:
        raise ValueError(f'lr_policy {p.lr_policy!r} needs stepsize above 0, got {p.stepsize}')
    return p.base_lr / (1 + _exp(-p.gamma * (it - p.stepsize)))


def _poly(p: SolverParameter, it: int, step: int) -> float:
    if p.max_iter <= 0:
        raise ValueError(f'lr_policy "poly" needs max_iter above 0, got {p.max_iter}')
    left = 1 - it / p.max_iter
    if left < 0 and p.power % 1:
        return float('nan')  # what C's pow gives past the end
    return p.base_lr * (_power(left, p.power) if left >= 0 else left ** p.power)


POLICIES: dict[str, Policy] = {
    'fixed': lambda p, it, step: p.base_lr,
    'step': _step,
    'exp': lambda p, it, step: p.base_lr * _power(p.gamma, it),
    'inv': lambda p, it, step: p.base_lr * _power(1 + p.gamma * it, -p.power),
    'multistep': lambda p, it, step: p.base_lr * _power(p.gamma, step),
    'poly': _poly,
    'sigmoid': _sigmoid,
}
_WITH_GAMMA = {'step', 'exp', 'inv', 'multistep', 'sigmoid'}


def next_step(param: SolverParameter, iteration: int, current_step: int) -> int:
    """Return the step counter that a snapshot carries (Caffe's current_step)."""
    if param.lr_policy == 'step' and param.stepsize > 0:
        return iteration // param.stepsize
    if (param.lr_policy == 'multistep' and current_step < len(param.stepvalue)
            and iteration >= param.stepvalue[current_step]):
        return current_step + 1
    return current_step


def learning_rate(param: SolverParameter, iteration: int, current_step: int = 0) -> float:
    """Return the rate of an iteration; `current_step` counts the stepvalues passed.

    Raises KeyError for an unknown policy, ValueError for options the policy cannot use.
    """
    policy = POLICIES.get(param.lr_policy)
    if policy is None:
        raise unknown('unknown lr_policy', param.lr_policy, POLICIES)
    if param.lr_policy in _WITH_GAMMA and param.gamma < 0:
        raise ValueError(f'lr_policy {param.lr_policy!r} needs gamma of 0 or more, '
                         f'got {param.gamma:g}')
    return policy(param, iteration, current_step)


def check_policy(param: SolverParameter, until: int) -> None:
    """Raise KeyError, ValueError for a policy that has no rate for a training to `until`."""
    learning_rate(param, 0)
    if param.lr_policy == 'poly' and until > param.max_iter:
        raise ValueError(f'lr_policy "poly" falls to 0 at max_iter, {param.max_iter}, and has no '
                         f'rate from there to iteration {until}; train to {param.max_iter} at '
                         'most, or raise max_iter')
