"""Fillers: their distributions by moments, bilinear against the formula of the papers."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import FillerParameter as F
from port.engine.fillers import FILLERS, fill

SHAPE = (64, 32, 5, 5)
FAN_IN, FAN_OUT = 32 * 25, 64 * 25


def filled(shape=SHAPE, **options) -> np.ndarray:
    torch.manual_seed(0)
    return fill(F(**options), shape).numpy()


def test_constant() -> None:
    assert (filled(type='constant', value=3) == 3).all()


def test_uniform() -> None:
    values = filled(type='uniform', min=-1, max=3)
    assert values.min() >= -1 and values.max() <= 3 and abs(values.mean() - 1) < .02


def test_gaussian() -> None:
    values = filled(type='gaussian', mean=2, std=.5)
    assert abs(values.mean() - 2) < .01 and abs(values.std() - .5) < .01


def test_gaussian_sparse_keeps_so_many_inputs_an_output() -> None:
    """Caffe keeps each weight with probability sparse / outputs."""
    share = (filled((100, 400), type='gaussian', std=1, sparse=10) != 0).mean()
    assert abs(share - 10 / 100) < .01


def test_positive_unitball_sums_to_one() -> None:
    values = filled(type='positive_unitball')
    assert (values > 0).all() and np.allclose(values.reshape(64, -1).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize(('norm', 'n'), [(F.FAN_IN, FAN_IN), (F.FAN_OUT, 64 * 25),
                                         (F.AVERAGE, (FAN_IN + FAN_OUT) / 2)])
def test_variance_norms(norm: int, n: float) -> None:
    assert abs(filled(type='msra', variance_norm=norm).std() / np.sqrt(2 / n) - 1) < .02
    xavier = filled(type='xavier', variance_norm=norm)
    assert abs(np.abs(xavier).max() / np.sqrt(3 / n) - 1) < .01


@pytest.mark.parametrize('size', [2, 3, 4, 5, 16, 63, 64])
def test_bilinear(size: int) -> None:
    """Weights fall linearly from the centre; every (output, input) pair has the same kernel."""
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - .5
    line = 1 - np.abs(np.arange(size) - centre) / factor
    values = filled((2, 3, size, size), type='bilinear')
    assert np.allclose(values, np.broadcast_to(np.outer(line, line), values.shape), atol=1e-6)


@pytest.mark.parametrize('kind', sorted(FILLERS))
def test_seeded(kind: str) -> None:
    shape = (4, 4, 3, 3)
    assert (filled(shape, type=kind) == filled(shape, type=kind)).all()


@pytest.mark.parametrize(('options', 'shape', 'message'), [
    ({'type': 'gauss'}, (2,), "unknown filler 'gauss'"),
    ({'type': 'xavier', 'sparse': 3}, (2,), 'sparse is only supported by gaussian'),
    ({'type': 'gaussian', 'sparse': 5}, (4, 9), 'at most the number of outputs, 4'),
    ({'type': 'bilinear'}, (2, 3, 4, 5), 'square kernel'),
    ({'type': 'constant'}, (2, 0), 'cannot fill'),
])
def test_refused(options: dict, shape: tuple, message: str) -> None:
    with pytest.raises((ValueError, KeyError), match=message):
        fill(F(**options), shape)
