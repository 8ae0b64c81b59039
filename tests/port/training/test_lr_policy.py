"""Learning rates against the table in caffe.proto's words, worked out by hand."""

import math

import numpy as np
import pytest

from netspec.schema.messages import SolverParameter
from port.training.lr_policy import check_policy, in_single, learning_rate, next_step

CASES = [
    (dict(lr_policy='fixed'), 7, 0.5),
    (dict(lr_policy='step', gamma=.1, stepsize=10), 25, 0.5 * .01),
    (dict(lr_policy='exp', gamma=.9), 3, 0.5 * .729),
    (dict(lr_policy='inv', gamma=.1, power=.75), 10, 0.5 * 2 ** -.75),
    (dict(lr_policy='poly', power=.9, max_iter=100), 50, 0.5 * .5 ** .9),
    (dict(lr_policy='sigmoid', gamma=.1, stepsize=50), 50, 0.25),
    # where a bound lies, and on either side of it
    (dict(lr_policy='step', gamma=.1, stepsize=10), 9, 0.5),
    (dict(lr_policy='step', gamma=.1, stepsize=10), 10, 0.05),
    (dict(lr_policy='step', gamma=.5, stepsize=1), 3, 0.0625),
    (dict(lr_policy='step', gamma=0, stepsize=10), 10, 0.0),
    (dict(lr_policy='multistep', gamma=.5, stepvalue=[2]), 7, 0.5),      # by the counter alone
    (dict(lr_policy='sigmoid', gamma=.1, stepsize=50), 0, 0.5 / (1 + math.exp(5))),
    (dict(lr_policy='sigmoid', gamma=.1, stepsize=50), 80, 0.5 / (1 + math.exp(-3))),
    (dict(lr_policy='sigmoid', gamma=.1, stepsize=1), 1, 0.25),
    (dict(lr_policy='sigmoid', gamma=1, stepsize=1 << 20), 0, 0),          # exp overflows
    (dict(lr_policy='exp', gamma=1e30), 1000, math.inf),
    (dict(lr_policy='inv', gamma=1e30, power=-100), 1000, math.inf),
    (dict(lr_policy='poly', power=.9, max_iter=1), 0, 0.5),
    (dict(lr_policy='poly', power=.9, max_iter=100), 100, 0.0),
    (dict(lr_policy='poly', power=.9, max_iter=100), 101, math.nan),     # C's pow of less than 0
    (dict(lr_policy='poly', power=2, max_iter=100), 150, 0.125),
    (dict(lr_policy='poly', power=1, max_iter=100), 150, -0.25),
    (dict(lr_policy='fixed', gamma=-1), 7, 0.5),                         # asks for no gamma
]


@pytest.mark.parametrize(('options', 'iteration', 'rate'), CASES,
                         ids=[f'{c[0]["lr_policy"]}-{c[1]}' for c in CASES])
def test_policies(options: dict, iteration: int, rate: float) -> None:
    param = SolverParameter(base_lr=.5, **options)
    found = learning_rate(param, iteration)
    assert math.isclose(found, rate, rel_tol=1e-6) or math.isnan(found) and math.isnan(rate)


def test_multistep_counts_the_values_passed() -> None:
    param = SolverParameter(base_lr=1, lr_policy='multistep', gamma=.5, stepvalue=[2, 4])
    rates, step = [], 0
    for iteration in range(6):
        step = next_step(param, iteration, step)
        rates.append(learning_rate(param, iteration, step))
    assert rates == [1, 1, .5, .5, .25, .25]


@pytest.mark.parametrize(('options', 'iteration', 'before', 'after'), [
    (dict(lr_policy='step', stepsize=10), 25, 7, 2), (dict(lr_policy='step', stepsize=10), 9, 7, 0),
    (dict(lr_policy='step', stepsize=1), 3, 0, 3), (dict(lr_policy='step'), 25, 7, 7),
    (dict(lr_policy='step', stepsize=-5), 25, 7, 7),
    (dict(lr_policy='fixed', stepsize=10, stepvalue=[2]), 25, 0, 0),
    (dict(lr_policy='multistep', stepvalue=[2, 4]), 1, 0, 0),
    (dict(lr_policy='multistep', stepvalue=[2, 4]), 9, 0, 1),            # one at a time
    (dict(lr_policy='multistep', stepvalue=[2, 4]), 3, 1, 1),
    (dict(lr_policy='multistep', stepvalue=[2, 4]), 9, 2, 2),
    (dict(lr_policy='multistep', stepsize=10, stepvalue=[2]), 1, 0, 0)])
def test_the_counter_of_steps(options: dict, iteration: int, before: int, after: int) -> None:
    assert next_step(SolverParameter(**options), iteration, before) == after


@pytest.mark.parametrize(('options', 'message'), [
    (dict(lr_policy='sigmoid', gamma=.1), 'sigmoid.* needs stepsize above 0, got 0'),
    (dict(lr_policy='sigmoid', gamma=.1, stepsize=-1), 'stepsize above 0, got -1'),
    (dict(lr_policy='step', gamma=.1, stepsize=-1), 'stepsize above 0, got -1'),
    (dict(lr_policy='poly', max_iter=-1), 'max_iter above 0, got -1'),
    (dict(lr_policy='inv', gamma=-1), 'gamma of 0 or more'),
    (dict(lr_policy='step', gamma=-1, stepsize=1), 'gamma of 0 or more'),
    (dict(lr_policy='multistep', gamma=-1), 'gamma of 0 or more'),
    (dict(lr_policy='sigmoid', gamma=-1, stepsize=1), 'gamma of 0 or more'),
    (dict(lr_policy='stepp'), "unknown lr_policy 'stepp'"),
    (dict(lr_policy='step', gamma=.1), 'stepsize above 0'),
    (dict(lr_policy='exp', gamma=-1), 'gamma of 0 or more'),
    (dict(lr_policy='poly'), 'max_iter above 0'),
])
def test_refused(options: dict, message: str) -> None:
    with pytest.raises((ValueError, KeyError), match=message):
        learning_rate(SolverParameter(base_lr=1, **options), 1)


def test_poly_has_no_rate_beyond_its_end() -> None:
    param = SolverParameter(base_lr=1, lr_policy='poly', power=.9, max_iter=10)
    for until in (1, 9, 10):
        check_policy(param, until)
    with pytest.raises(ValueError, match='no rate from there to iteration 11; train to 10 at most'):
        check_policy(param, 11)
    check_policy(SolverParameter(base_lr=1, lr_policy='fixed', max_iter=10), 11)
    for policy in ('step', 'poly', 'sigmoid'):                  # that cannot be used at all
        with pytest.raises(ValueError, match='above 0'):
            check_policy(SolverParameter(base_lr=1, lr_policy=policy), 1)


def test_a_rate_beyond_single_precision_is_infinite() -> None:
    largest = float(np.finfo(np.float32).max)
    assert [in_single(rate) for rate in (0.1, largest, -largest)] == [0.1, largest, -largest]
    assert (in_single(1e39), in_single(-1e39)) == (float('inf'), float('-inf'))
    assert in_single(float('nan')) != in_single(float('nan'))
