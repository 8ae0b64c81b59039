"""Each solver type's update, for three steps, against its formula on plain numbers.

Caffe's own numbers are held in tests/port/engine/test_recorded.py; here every constant shows.
"""

from math import isnan, sqrt

import pytest
import torch

from netspec.schema.messages import SolverParameter
from port.training.updates import LINEAR, UPDATES, check, descend

GRADIENTS = [(0.5, -2.0), (1.5, 0.25), (-0.75, 3.0)]
RATE = 0.1
MOMENTUM, MOMENTUM2, DECAY, DELTA = 0.875, 0.9375, 0.75, 1 / 64       # exact in single precision


def parameter(**more) -> SolverParameter:
    return SolverParameter(momentum=MOMENTUM, momentum2=MOMENTUM2, rms_decay=DECAY, delta=DELTA,
                           **more)


def sgd(it: int, g: float, h: list[float]) -> float:
    h[0] = MOMENTUM * h[0] + RATE * g
    return h[0]


def nesterov(it: int, g: float, h: list[float]) -> float:
    before, h[0] = h[0], MOMENTUM * h[0] + RATE * g
    return (1 + MOMENTUM) * h[0] - MOMENTUM * before


def adagrad(it: int, g: float, h: list[float]) -> float:
    h[0] += g * g
    return RATE * g / (sqrt(h[0]) + DELTA)


def rmsprop(it: int, g: float, h: list[float]) -> float:
    h[0] = DECAY * h[0] + (1 - DECAY) * g * g
    return RATE * g / (sqrt(h[0]) + DELTA)


def adadelta(it: int, g: float, h: list[float]) -> float:
    h[0] = MOMENTUM * h[0] + (1 - MOMENTUM) * g * g
    u = g * sqrt((h[1] + DELTA) / (h[0] + DELTA))
    h[1] = MOMENTUM * h[1] + (1 - MOMENTUM) * u * u
    return RATE * u


def adam(it: int, g: float, h: list[float]) -> float:
    h[0] = MOMENTUM * h[0] + (1 - MOMENTUM) * g
    h[1] = MOMENTUM2 * h[1] + (1 - MOMENTUM2) * g * g
    correction = sqrt(1 - MOMENTUM2 ** (it + 1)) / (1 - MOMENTUM ** (it + 1))
    return RATE * correction * h[0] / (sqrt(h[1]) + DELTA)


FORMULAS = {'SGD': sgd, 'Nesterov': nesterov, 'AdaGrad': adagrad, 'RMSProp': rmsprop,
            'AdaDelta': adadelta, 'Adam': adam}


def history(kind: str) -> list[list[torch.Tensor]]:
    return [[torch.zeros(2, dtype=torch.float64)] for _ in range(UPDATES[kind][1])]


def test_every_type_has_a_formula() -> None:
    assert FORMULAS.keys() == UPDATES.keys()


@pytest.mark.parametrize('kind', FORMULAS)
def test_updates(kind: str) -> None:
    update, _ = UPDATES[kind]
    kept, plain = history(kind), [[0.0, 0.0], [0.0, 0.0]]
    for it, numbers in enumerate(GRADIENTS):
        gradient = [torch.tensor(numbers, dtype=torch.float64)]
        (found,) = update(parameter(type=kind), it, RATE, gradient, kept)
        wanted = [FORMULAS[kind](it, g, plain[i]) for i, g in enumerate(numbers)]
        assert found.tolist() == pytest.approx(wanted, rel=1e-12)
        for i, tensors in enumerate(kept):
            assert tensors[0].tolist() == pytest.approx([h[i] for h in plain], rel=1e-12)


@pytest.mark.parametrize('kind', FORMULAS)
def test_a_rate_of_zero(kind: str) -> None:
    """Moves nothing; the histories of linear types stay at zero."""
    kept = history(kind)
    (found,) = UPDATES[kind][0](parameter(type=kind), 0, 0.0,
                                [torch.ones(2, dtype=torch.float64)], kept)
    assert not found.any()
    assert all(not tensors[0].any() for tensors in kept) == (kind in LINEAR)


def test_adam_where_the_correction_is_no_number() -> None:
    p = SolverParameter(type='Adam', momentum=1.0, momentum2=0.999)
    (found,) = UPDATES['Adam'][0](p, 0, 0.1, [torch.ones(2)], [[torch.zeros(2)], [torch.zeros(2)]])
    assert all(isnan(x) for x in found.tolist())


class Parameter:
    """A blob as descend sees it."""

    def __init__(self, data: list[float], diff: list[float]) -> None:
        self.data, self.diff = (torch.tensor(x, dtype=torch.float64) for x in (data, diff))


@pytest.mark.parametrize('kind,pull', [('L2', (0.5, -2.0)), ('L1', (1.0, -1.0))])
@pytest.mark.parametrize('size', [1, 4])
@pytest.mark.parametrize('decay', [0.0, 0.25])
def test_decay_and_accumulation(kind: str, pull: tuple[float, float], size: int,
                                decay: float) -> None:
    """Gradients are divided by iter_size, decay is not; L1 pulls by the sign."""
    blob = Parameter([0.5, -2.0], [8.0, -4.0])
    p = SolverParameter(type='SGD', momentum=0, regularization_type=kind, iter_size=size)
    descend(p, 0, RATE, decay, [blob], history('SGD'))  # type: ignore[list-item]
    wanted = [x - RATE * (g / size + decay * by)
              for x, g, by in zip((0.5, -2.0), (8.0, -4.0), pull, strict=True)]
    assert blob.data.tolist() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize('more,error,message', [
    ({'type': 'Adamm'}, KeyError, "unknown solver type 'Adamm'; known: SGD, Nesterov"),
    ({'type': 'AdaGrad', 'momentum': 0.9}, ValueError, 'AdaGrad: momentum cannot be used, got 0.9'),
    ({'type': 'RMSProp', 'momentum': 0.9}, ValueError, 'RMSProp: momentum cannot be used, got 0.9'),
    ({'type': 'RMSProp', 'rms_decay': 1.0}, ValueError, r'rms_decay must lie in \[0, 1\), got 1'),
    ({'type': 'RMSProp', 'rms_decay': -.1}, ValueError, r'lie in \[0, 1\), got -0.1'),
    ({'regularization_type': 'L3'}, ValueError, "unknown regularization_type 'L3'")])
def test_refusals(more: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        check(SolverParameter(**more))


@pytest.mark.parametrize('more', [
    {}, {'type': 'Adam', 'momentum': 0.9}, {'type': 'SGD', 'rms_decay': 5.0},
    {'type': 'RMSProp', 'rms_decay': 0.0}, {'type': 'AdaGrad'}, {'regularization_type': 'L1'},
    {'type': 'Nesterov', 'momentum': 0.99, 'rms_decay': 1.0}])
def test_what_is_accepted(more: dict) -> None:
    check(SolverParameter(**more))
