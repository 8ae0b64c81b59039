"""LSTM against the equations step by step, and central differences."""

import numpy as np
import pytest

T, N, D = 4, 3, 2
GAUSS = 'weight_filler { type: "gaussian" std: 0.5 } bias_filler { type: "gaussian" std: 0.5 }'


def text(expose=False, extra=''):
    tops = 3 if expose else 1
    return (f'name: "lstm" type: "LSTM" recurrent_param {{ num_output: {D} {GAUSS} {extra} '
            f'expose_hidden: {str(expose).lower()} }}' + ' top: "t"' * tops)


def sequence(seed=0, static=False, expose=False, first=None):
    r = np.random.RandomState(seed)
    cont = r.randint(0, 2, (T, N)).astype('d')
    cont[0] = cont[0] if first is None else first
    return ([r.randn(T, N, 2, 2), cont] + [r.randn(N, 5)] * static
            + [r.randn(1, N, D), r.randn(1, N, D)] * expose)


def plain(arrays, params, h, c):
    """Outputs of all steps and the last state, by the equations."""
    params = [p.data.numpy().astype('d') for p in params]
    out = []
    for x, cont in zip(arrays[0], arrays[1][..., None], strict=True):
        gates = x.reshape(N, -1) @ params[0].T + params[1] + (cont * h) @ params[-1].T
        if len(params) == 4:
            gates = gates + arrays[2] @ params[2].T
        i, f, o = (1 / (1 + np.exp(-gates[:, k * D:(k + 1) * D])) for k in range(3))
        c = cont * f * c + i * np.tanh(gates[:, 3 * D:])
        h = o * np.tanh(c)
        out.append(h)
    return np.array(out), h, c


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('expose', [False, True])
def test_equals_the_equations_over_three_batches(drive, static, expose):
    driven = drive(text(expose), sequence(0, static, expose))
    assert [b.shape for b in driven.layer.blobs] == (
        [(8, 4), (8,)] + [(8, 5)] * static + [(8, 2)])
    h = c = np.zeros((N, D))
    for batch in range(3):
        driven.arrays = sequence(batch, static, expose)
        if expose:
            h, c = driven.arrays[-2][0], driven.arrays[-1][0]
        out, h, c = plain(driven.arrays, driven.layer.blobs, h, c)
        wants = [out, h[None], c[None]]
        found = driven.forward()
        assert len(found) == (3 if expose else 1)
        for ours, want in zip(found, wants, strict=False):
            np.testing.assert_allclose(ours, want, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('static', [False, True])
@pytest.mark.parametrize('expose', [False, True])
def test_gradient(check_gradient, static, expose):
    arrays = sequence(1, static, expose, None if expose else 0)
    propagate = [True, False] + [True] * static + [False, False] * expose
    check_gradient(text(expose), arrays, propagate=propagate, top_index=0)


def test_a_later_stream_count_and_reset(drive):
    driven = drive(text(), sequence(2, first=1))
    fresh = driven.forward()[0]
    assert not np.allclose(driven.forward()[0], fresh)  # goes on where it ended
    driven.layer.reset()
    np.testing.assert_array_equal(driven.forward()[0], fresh)
    driven.arrays = [a[:, :2] for a in driven.arrays]
    assert driven.forward()[0].shape == (T, 2, D)


def test_state_continues_a_sequence(drive):
    driven = drive(text(), sequence(3, first=1))
    driven.forward()
    state = driven.layer.state()
    want = driven.forward()[0]
    driven.layer.reset()
    driven.layer.restore(state)
    np.testing.assert_array_equal(driven.forward()[0], want)
    with pytest.raises(ValueError, match="no hidden state 'h' of width 2"):
        driven.layer.restore({'h': [[1.0]]})
    assert drive(text(True), sequence(0, expose=True)).layer.state() is None


def test_debug_info_logs_the_state(drive, caplog):
    caplog.set_level('INFO', 'port.net')
    drive(text(extra='debug_info: true'), sequence()).forward()
    assert 'Layer lstm, c data' in caplog.text


def test_refusals(drive):
    x, cont = sequence()
    with pytest.raises(ValueError, match='timesteps changed from 4 to 2'):
        driven = drive(text(), [x, cont])
        driven.arrays = [x[:2], cont[:2]]
        driven.forward()
    for arrays, said in [([x, cont[:, :2]], 'expected timesteps x streams'),
                         ([x[:, :, 0, 0], cont], 'timesteps x streams x features'),
                         ([x, cont, np.zeros((2, 5))], 'expected streams x features with 3')]:
        with pytest.raises(ValueError, match=said):
            drive(text(), arrays)
    with pytest.raises(ValueError, match=r"'bottom3' has shape \[1, 3, 9\]"):
        drive(text(True), [x, cont, np.zeros((1, 3, 2)), np.zeros((1, 3, 9))]).forward()
    with pytest.raises(ValueError, match='num_output } must be positive'):
        drive(text().replace('num_output: 2', ''), [x, cont])
    with pytest.raises(ValueError, match='4 to 5 bottom'):
        drive(text(True), [x, cont, x])
    driven = drive(text(), [x, cont])
    driven.forward()
    with pytest.raises(ValueError, match='sequence indicators'):
        driven.backward([np.zeros((T, N, D))], [True, True])
