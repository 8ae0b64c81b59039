"""Eltwise against loops that follow Caffe's steps, in-place use included; the recorded cases."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN

FLT_MAX = np.finfo('f').max


def forward(op, x, coeff, y):
    """Write to y, which in place is x[0] itself, in Caffe's order; return who won a maximum."""
    winner = None
    if op == 'PROD':
        np.multiply(x[0], x[1], out=y)
        for other in x[2:]:
            y *= other
    elif op == 'SUM':
        y[...] = 0
        for c, other in zip(coeff, x, strict=True):
            y += c * other
    else:
        y[...] = -FLT_MAX
        winner = np.where(x[0] > x[1], 0, 1)
        y[...] = np.where(winner == 0, x[0], x[1])
        for i, other in enumerate(x[2:], 2):
            winner[other > y] = i
            y[...] = np.maximum(y, other)
    return winner


def backward(op, x, coeff, y, winner, dy, dx, stable):
    """Write to dx; in place dx[0] is dy, which the later bottoms then read."""
    for i, out in enumerate(dx):
        if op == 'PROD' and stable:
            others = [o for j, o in enumerate(x) if j != i]
            out[...] = others[0]
            for other in others[1:]:
                out *= other
            out *= dy
        elif op == 'PROD':
            np.divide(y, x[i], out=out)
            out *= dy
        elif op == 'SUM':
            np.multiply(dy, coeff[i], out=out)
        else:
            np.multiply(dy, winner == i, out=out)


def case(seed):
    r = np.random.RandomState(seed)
    op, many = ['PROD', 'SUM', 'MAX'][seed % 3], r.randint(2, 5)
    shape = tuple(r.randint(1, 5, r.randint(1, 5)))
    x = list(r.randint(1, 7, (many, *shape)) / 2.0 * r.choice([-1, 1], (many, *shape)))
    coeff = list(r.randint(-4, 5, many) / 4.0) if op == 'SUM' and seed % 2 else [1] * many
    stable = bool(r.randint(2))
    given = ' '.join(f'coeff: {c}' for c in coeff) if op == 'SUM' and seed % 2 else ''
    text = (f'type: "Eltwise" eltwise_param {{ operation: {op} {given} '
            f'stable_prod_grad: {str(stable).lower()} }}')
    return text, op, x, coeff, stable, r.standard_normal(shape)


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('seed', range(30))
def test_equals_caffes_steps(drive, close, seed, in_place):
    text, op, x, coeff, stable, dy = case(seed)
    driven = drive(text, x, TRAIN, torch.float64, in_place)
    found = driven.forward()[0]
    driven.backward([dy])
    held = [a.copy() for a in x]
    y = held[0] if in_place else np.empty_like(x[0])
    winner = forward(op, held, coeff, y)
    close(found, y, 1e-12)
    dy = dy.copy()
    dx = [dy if in_place and i == 0 else np.empty_like(dy) for i in range(len(x))]
    backward(op, held, coeff, y, winner, dy, dx, stable)
    for blob, expected in zip(driven.bottom, dx, strict=True):
        close(blob.diff.numpy(), expected, 1e-12)


def test_of_two_equal_the_second_wins_of_more_the_earlier(drive):
    driven = drive('type: "Eltwise" eltwise_param { operation: MAX }', [np.zeros(1)] * 3)
    driven.forward()
    driven.backward([np.ones(1)])
    assert [b.diff.item() for b in driven.bottom] == [0, 1, 0]


def test_the_diffs_have_their_own_memory(drive):
    driven = drive('type: "Eltwise"', [np.ones(2)] * 2)
    driven.forward()
    driven.backward([np.ones(2)])
    assert len({b.diff.data_ptr() for b in (*driven.bottom, *driven.top)}) == 3


@pytest.mark.parametrize('options', [
    'operation: PROD', 'operation: PROD stable_prod_grad: false',
    'operation: SUM coeff: 2 coeff: -0.5 coeff: 1', 'operation: MAX'])
def test_gradient(check_gradient, options):
    r = np.random.RandomState(1)
    check_gradient(f'type: "Eltwise" eltwise_param {{ {options} }}',
                   [r.permutation(24).reshape(2, 3, 4) / 8 + 0.5 + i / 50 for i in range(3)])


def test_refusals(drive):
    for options, other, said in [
            ('coeff: 1', (2, 3), '1 coeff for 2 bottoms'),
            ('operation: PROD coeff: 1 coeff: 1', (2, 3), 'coefficients are for SUM only'),
            ('', (3, 2), 'must have the same shape')]:
        with pytest.raises(ValueError, match=said):
            drive(f'type: "Eltwise" eltwise_param {{ {options} }}',
                  [np.ones((2, 3)), np.ones(other)]).forward()


@pytest.mark.parametrize('name', ['eltwise_max', 'eltwise_prod', 'eltwise_sum',
                                  'eltwise_sum_coeff'])
def test_recorded(recorded, name):
    recorded(name)
