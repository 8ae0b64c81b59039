"""ArgMax against a plain sort of (value, index) pairs, ties included; the recorded cases."""

import numpy as np
import pytest


def plain(x, k, values, axis):
    """Sort pairs downwards, as Caffe does: of equal values the larger index comes first."""
    rows = x.reshape(len(x), -1) if axis is None else np.moveaxis(x, axis, -1)
    flat = rows.reshape(-1, rows.shape[-1])
    pairs = [sorted(zip(row, range(len(row)), strict=True), reverse=True)[:k] for row in flat]
    best = np.array(pairs, 'd').reshape(*rows.shape[:-1], k, 2)
    if axis is not None:
        return np.moveaxis(best[..., 0 if values else 1], -1, axis)
    out = np.stack([best[..., 1], best[..., 0]], 1) if values else best[..., 1][:, None]
    return out.reshape(*out.shape, *[1] * (x.ndim - 3))


@pytest.mark.parametrize('seed', range(24))
def test_equals_a_sort(drive, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 6, r.randint(1, 6)))
    x = r.randint(-3, 4, shape).astype('d')                   # many ties
    axis = None if seed % 3 == 0 else r.randint(len(shape))
    most = x.size // shape[0] if axis is None else shape[axis]
    k, values = r.randint(1, most + 1) if seed % 2 else 1, bool(r.randint(2))
    chosen = '' if axis is None else f'axis: {axis - len(shape) * r.randint(2)}'
    found = drive(f'type: "ArgMax" argmax_param {{ top_k: {k} {chosen} '
                  f'out_max_val: {str(values).lower()} }}', [x]).forward()[0]
    expected = plain(x, k, values, axis)
    assert found.shape == expected.shape
    assert np.array_equal(found, expected)


def test_refusals(drive):
    for options, said in [('top_k: 0', 'top_k is 0; expected 1 to 12'),
                          ('top_k: 13', 'top_k is 13; expected 1 to 12'),
                          ('top_k: 4 axis: 1', 'top_k is 4; expected 1 to 3'),
                          ('axis: 3', 'axis 3 is out of range')]:
        with pytest.raises(ValueError, match=said):
            drive(f'type: "ArgMax" argmax_param {{ {options} }}', [np.ones((2, 3, 4))])
    driven = drive('type: "ArgMax"', [np.ones((2, 3))])
    driven.forward()
    with pytest.raises(ValueError, match='ArgMax has no backward pass'):
        driven.backward([np.ones((2, 1, 1))])


@pytest.mark.parametrize('name', ['argmax_axis', 'argmax_topk_val'])
def test_recorded(recorded, name):
    recorded(name)
