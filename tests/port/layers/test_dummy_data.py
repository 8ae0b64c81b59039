"""DummyData: old and new shapes, which fillers run again before each pass."""

import numpy as np
import pytest
import torch

GAUSS = 'data_filler { type: "gaussian" std: 1 }'
SEVEN = 'data_filler { type: "constant" value: 7 }'


def text(options, tops=1):
    return f'type: "DummyData" dummy_data_param {{ {options} }}' + ' top: "t"' * tops


@pytest.mark.parametrize(('options', 'tops', 'expected'), [
    ('shape { dim: 2 dim: 3 }', 1, [(2, 3)]),
    ('shape { dim: 2 dim: 3 }', 2, [(2, 3)] * 2),
    ('shape { dim: 2 } shape { dim: 1 dim: 4 dim: 1 dim: 1 dim: 2 }', 2,
     [(2,), (1, 4, 1, 1, 2)]),
    ('num: 5 channels: 2 height: 3 width: 4', 2, [(5, 2, 3, 4)] * 2),
    ('num: 5 num: 6 channels: 2 height: 3 height: 1 width: 4', 2, [(5, 2, 3, 4), (6, 2, 1, 4)])])
def test_shapes(drive, options, tops, expected):
    found = drive(text(options, tops), []).forward()
    assert [a.shape for a in found] == expected
    assert not any(a.any() for a in found)


def test_constants_are_filled_once_and_others_before_each_pass(drive):
    driven = drive(text(f'shape {{ dim: 9 }} {SEVEN} {GAUSS}', 2), [])
    assert driven.top[0].data.unique().tolist() == [7]
    assert not driven.top[1].data.any()
    driven.layer.forward([], driven.top)
    first = driven.top[1].data.clone()
    driven.top[0].data.fill_(8)
    driven.layer.forward([], driven.top)
    assert driven.top[0].data.unique().tolist() == [8]
    assert not torch.equal(driven.top[1].data, first)


@pytest.mark.parametrize(('filler', 'again'), [(SEVEN, False), (GAUSS, True)])
def test_one_filler_serves_all_tops(drive, filler, again):
    driven = drive(text(f'shape {{ dim: 9 }} {filler}', 2), [])
    driven.layer.forward([], driven.top)
    first = [t.data.clone() for t in driven.top]
    driven.layer.forward([], driven.top)
    for top, held in zip(driven.top, first, strict=True):
        assert held.all() and torch.equal(top.data, held) != again


def test_fills_the_shape_that_the_user_gave(drive):
    driven = drive(text(f'shape {{ dim: 9 }} {GAUSS}'), [])
    driven.top[0].reshape(3, 4)
    assert driven.forward()[0].shape == (3, 4) and np.all(driven.top[0].data.numpy() != 0)


def test_in_double_precision(drive):
    driven = drive(text(f'shape {{ dim: 2 }} {GAUSS}'), [], dtype=torch.float64)
    driven.forward()
    assert driven.top[0].data.dtype == torch.float64


@pytest.mark.parametrize(('options', 'tops', 'said'), [
    ('', 1, 'gives shape 0 time'),
    ('shape { dim: 1 } shape { dim: 2 }', 3, 'gives shape 2 time.* for 3 top'),
    ('num: 1 channels: 1 height: 1', 1, 'gives width 0 time'),
    ('num: 1 num: 2 channels: 1 height: 1 width: 1', 3, 'gives num 2 time'),
    ('num: 1 shape { dim: 1 }', 1, 'both shape and the old num'),
    (f'shape {{ dim: 1 }} {GAUSS} {GAUSS}', 3, '2 data_filler for 3 top')])
def test_refusals(drive, options, tops, said):
    with pytest.raises(ValueError, match=said):
        drive(text(options, tops), [])
