"""BatchNorm against the textbook formula, its stored sums over several passes, in place too, and
the recorded cases.
"""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TEST, TRAIN
from port.engine.net import Net

TEXT = 'type: "BatchNorm" batch_norm_param { %s }'
SHAPES = [(4, 3, 5, 6), (6, 2), (3, 4, 5), (1, 2, 3, 3), (2, 2, 2, 3, 2)]


def wide(values, x):
    return values.reshape(-1, *[1] * (x.ndim - 2))


def statistics(x):
    """Mean, variance and unbiased variance of each channel."""
    rows = x.swapaxes(0, 1).reshape(x.shape[1], -1)
    many = rows.shape[1]
    return rows.mean(1), rows.var(1), rows.var(1) * (many / (many - 1) if many > 1 else 1)


def backward(x, dy, eps):
    rows, grads = (a.swapaxes(0, 1).reshape(a.shape[1], -1) for a in (x, dy))
    y = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + eps)
    dx = grads - grads.mean(1, keepdims=True) - (grads * y).mean(1, keepdims=True) * y
    dx /= np.sqrt(rows.var(1, keepdims=True) + eps)
    return dx.reshape(x.swapaxes(0, 1).shape).swapaxes(0, 1)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('dtype', [torch.float32, torch.float64])
@pytest.mark.parametrize('shape', SHAPES)
def test_a_training_pass(drive, close, shape, dtype, in_place):
    r = np.random.RandomState(len(shape))
    x, dy = r.standard_normal(shape) * 3 + 5, r.standard_normal(shape)
    driven = drive(TEXT % 'eps: 0.0009765625', [x], TRAIN, dtype, in_place)
    mean, variance, _ = statistics(x)
    tol = 2e-5 if dtype == torch.float32 else 1e-10
    rate = wide(np.sqrt(variance + 2.0 ** -10), x)
    close(driven.forward()[0], (x - wide(mean, x)) / rate, tol)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), backward(x, dy, 2.0 ** -10), tol)


def test_the_sums_of_several_passes(drive, close):
    """Each pass multiplies by the fraction and adds; the third blob counts the same way."""
    driven = drive(TEXT % 'moving_average_fraction: 0.75', [np.zeros((4, 3, 2))], TRAIN,
                   torch.float64)
    sums = [np.zeros(3), np.zeros(3), np.zeros(1)]
    for seed in range(4):
        driven.arrays = [np.random.RandomState(seed).standard_normal((4, 3, 2)) + seed]
        driven.forward()
        mean, _, unbiased = statistics(driven.arrays[0])
        sums = [0.75 * s + new for s, new in zip(sums, (mean, unbiased, 1), strict=True)]
        for blob, expected in zip(driven.layer.blobs, sums, strict=True):
            close(blob.data.numpy(), expected, 1e-10)


def test_one_value_a_channel_has_no_variance(drive):
    driven = drive(TEXT % '', [np.ones((1, 3, 1, 1))])
    assert not driven.forward()[0].any()
    assert [b.data.tolist() for b in driven.layer.blobs] == [[1] * 3, [0] * 3, [1]]


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize(('phase', 'options'), [(TEST, ''), (TRAIN, 'use_global_stats: true')])
def test_stored_statistics(drive, close, phase, options, in_place):
    r = np.random.RandomState(5)
    x, dy = r.standard_normal((2, 3, 4)), r.standard_normal((2, 3, 4))
    driven = drive(TEXT % options, [x], phase, torch.float64, in_place)
    mean, variance = r.standard_normal(3), r.uniform(0.5, 2, 3)
    for blob, array in zip(driven.layer.blobs, (4 * mean, 4 * variance, [4]), strict=True):
        blob.data = torch.tensor(array, dtype=torch.float64)
    rate = wide(np.sqrt(variance + 1e-5), x)
    close(driven.forward()[0], (x - wide(mean, x)) / rate, 1e-9)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), dy / rate, 1e-9)
    assert driven.layer.blobs[2].data.tolist() == [4]


def test_without_a_pass_the_stored_statistics_are_zero(drive, close):
    x = np.ones((2, 3))
    close(drive(TEXT % '', [x], TEST).forward()[0], x / np.sqrt(1e-5), 1e-5)


def test_in_test_the_batch_may_be_asked_for(drive):
    driven = drive(TEXT % 'use_global_stats: false', [np.ones((2, 3))], TEST)
    driven.forward()
    assert driven.layer.blobs[2].data.tolist() == [1]


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('options', ['eps: 0.01', 'use_global_stats: true eps: 0.01'])
def test_gradient(check_gradient, options, in_place):
    check_gradient(TEXT % options, [np.random.RandomState(6).standard_normal((3, 2, 4))],
                   params=False, in_place=in_place)


def test_a_later_layer_in_place_leaves_the_gradient_alone(close):
    """ReLU overwrites the normalised values; the backward pass still has its own."""
    r = np.random.RandomState(7)
    x, dy = r.standard_normal((4, 3, 5)), r.standard_normal((4, 3, 5))
    net = Net(_chain(), TRAIN, dtype=torch.float64)
    net(x=x)
    net.blobs['y'].diff = torch.tensor(dy)
    net.backward()
    mean, variance, _ = statistics(x)
    passed = dy * (x > wide(mean, x))
    close(net.blobs['x'].diff.numpy(), backward(x, passed, 1e-5), 1e-7)


def _chain():
    from netspec.schema import parse_net
    return parse_net("""
        force_backward: true
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [4, 3, 5] } } }
        layer { name: "p" type: "Power" bottom: "x" top: "y" }
        layer { name: "n" type: "BatchNorm" bottom: "y" top: "y" }
        layer { name: "r" type: "ReLU" bottom: "y" top: "y" }""")


def test_statistics_are_not_learnt(drive):
    layer = drive(TEXT % '', [np.ones((2, 3))]).layer
    assert [spec.lr_mult for spec in layer.param.param] == [0, 0, 0]
    with pytest.raises(ValueError, match='param 0 has lr_mult 1; expected 0'):
        drive('param { lr_mult: 1 } ' + TEXT % '', [np.ones((2, 3))])


def test_refuses_other_channels(drive):
    for shape in [(2, 4), (6,)]:
        driven = drive(TEXT % '', [np.ones((2, 3))])
        driven.arrays = [np.ones(shape)]
        with pytest.raises(ValueError, match='expected 3 channels on its second axis'):
            driven.forward()


@pytest.mark.parametrize('name', ['batchnorm_test', 'batchnorm_train'])
def test_recorded(recorded_net, name):
    recorded_net(name)


def test_the_batches_of_all_ranks_as_one(drive) -> None:
    """Two ranks, played one after the other: the numbers of one process with both batches."""
    text = 'name: "n" type: "BatchNorm" bottom: "x" top: "y"'
    random = np.random.RandomState(1)
    x, dy = (random.randn(4, 3, 5, 6) for _ in range(2))
    whole = drive(text, [x], dtype=torch.float64)
    y, = whole.forward()
    whole.backward([dy])
    halves = [drive(text, [x[half]], dtype=torch.float64) for half in (slice(2), slice(2, 4))]
    parts: list[list[torch.Tensor]] = [[], []]           # what each rank adds, message by message

    def adding(rank: int, known: list[torch.Tensor]):
        def add(mine: torch.Tensor) -> torch.Tensor:
            parts[rank].append(mine.clone())
            i = len(parts[rank]) - 1
            return mine + known[i] if i < len(known) else mine
        return add
    for _ in range(4):           # each message follows from the sums of those before it
        known = [list(p) for p in parts]
        for rank, half in enumerate(halves):
            parts[rank].clear()
            half.layer.over_ranks = adding(rank, known[1 - rank])
            for blob in half.layer.blobs:
                blob.data.zero_()
            found = half.forward()[0]
            half.backward([dy[2 * rank:2 * rank + 2]])
            half.result = found
    assert [len(p) for p in parts] == [3, 3]
    assert np.allclose(np.concatenate([half.result for half in halves]), y, atol=1e-12)
    assert np.allclose(np.concatenate([half.bottom[0].diff.numpy() for half in halves]),
                       whole.bottom[0].diff.numpy(), atol=1e-12)
    for half in halves:
        assert all(torch.allclose(a.data, b.data, atol=1e-12)
                   for a, b in zip(half.layer.blobs, whole.layer.blobs, strict=True))
