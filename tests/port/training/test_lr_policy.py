"""Learning rates against the table in caffe.proto's words, worked out by hand."""

import math

import pytest

from netspec.schema.messages import SolverParameter
from port.training.lr_policy import check_policy, learning_rate, next_step

CASES = [
    (dict(lr_policy='fixed'), 7, 0.5),
    (dict(lr_policy='step', gamma=.1, stepsize=10), 25, 0.5 * .01),
    (dict(lr_policy='exp', gamma=.9), 3, 0.5 * .729),
    (dict(lr_policy='inv', gamma=.1, power=.75), 10, 0.5 * 2 ** -.75),
    (dict(lr_policy='poly', power=.9, max_iter=100), 50, 0.5 * .5 ** .9),
    (dict(lr_policy='sigmoid', gamma=.1, stepsize=50), 50, 0.25),
]


@pytest.mark.parametrize(('options', 'iteration', 'rate'), CASES,
                         ids=[c[0]['lr_policy'] for c in CASES])
def test_policies(options: dict, iteration: int, rate: float) -> None:
    param = SolverParameter(base_lr=.5, **options)
    assert math.isclose(learning_rate(param, iteration), rate, rel_tol=1e-6)


def test_multistep_counts_the_values_passed() -> None:
    param = SolverParameter(base_lr=1, lr_policy='multistep', gamma=.5, stepvalue=[2, 4])
    rates, step = [], 0
    for iteration in range(6):
        step = next_step(param, iteration, step)
        rates.append(learning_rate(param, iteration, step))
    assert rates == [1, 1, .5, .5, .25, .25]


@pytest.mark.parametrize(('options', 'message'), [
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
    check_policy(param, 10)
    with pytest.raises(ValueError, match='no rate from there to iteration 11; train to 10 at most'):
        check_policy(param, 11)
    check_policy(SolverParameter(base_lr=1, lr_policy='fixed', max_iter=10), 11)
