"""RNN against the equations step by step, and central differences."""

import numpy as np
import pytest

T, N, D = 4, 3, 2
GAUSS = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'


def text(expose=False):
    tops = 2 if expose else 1
    return (f'type: "RNN" recurrent_param {{ num_output: {D} {GAUSS} '
            f'expose_hidden: {str(expose).lower()} }}' + ' top: "t"' * tops)


def sequence(seed=0, static=False, expose=False, first=None):
    r = np.random.RandomState(seed)
    cont = r.randint(0, 2, (T, N)).astype('d')
    cont[0] = cont[0] if first is None else first
    return ([r.randn(T, N, 4), cont] + [r.randn(N, 5)] * static + [r.randn(1, N, D)] * expose)


def plain(arrays, params, h):
    """Outputs of all steps and the last state, by the equations."""
    *first, w_hh, w_ho, b_o = (p.data.numpy().astype('d') for p in params)
    out = []
    for x, cont in zip(arrays[0], arrays[1][..., None], strict=True):
        total = x @ first[0].T + first[1] + (cont * h) @ w_hh.T
        if len(first) == 3:
            total = total + arrays[2] @ first[2].T
        h = np.tanh(total)
        out.append(np.tanh(h @ w_ho.T + b_o))
    return np.array(out), h


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('expose', [False, True])
def test_equals_the_equations_over_three_batches(drive, static, expose):
    driven = drive(text(expose), sequence(0, static, expose))
    assert [b.shape for b in driven.layer.blobs] == (
        [(2, 4), (2,)] + [(2, 5)] * static + [(2, 2), (2, 2), (2,)])
    h = np.zeros((N, D))
    for batch in range(3):
        driven.arrays = sequence(batch, static, expose)
        h = driven.arrays[-1][0] if expose else h
        out, h = plain(driven.arrays, driven.layer.blobs, h)
        for ours, want in zip(driven.forward(), [out, h[None]], strict=False):
            np.testing.assert_allclose(ours, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('expose', [False, True])
def test_gradient(check_gradient, static, expose):
    arrays = sequence(1, static, expose, None if expose else 0)
    propagate = [True, False] + [True] * static + [False] * expose
    check_gradient(text(expose), arrays, propagate=propagate, top_index=0)


def test_frozen_parameters_have_a_diff_all_the_same(drive):
    """Caffe's unrolled net does not hear of lr_mult 0; the solver leaves the parameter alone."""
    driven = drive(text(), sequence())
    driven.layer.param_propagate_down = [False] * 5
    driven.forward()
    driven.backward([np.ones((T, N, D))], [False, False])
    assert all(blob.diff.any() for blob in driven.layer.blobs)
