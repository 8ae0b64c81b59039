"""AbsVal against |x| and its sign, and the recorded case."""

import numpy as np
import pytest

TEXT = 'type: "AbsVal"'


def test_equals_the_formula(check_neuron):
    check_neuron(TEXT, np.abs, lambda x, y, dy: np.sign(x) * dy, kinks=(0,), in_place='')


def test_at_zero_there_is_no_slope(drive):
    driven = drive(TEXT, [np.zeros(3)])
    driven.forward()
    driven.backward([np.ones(3)])
    assert not driven.bottom[0].diff.any()


def test_refuses_to_work_in_place(drive):
    with pytest.raises(ValueError, match='AbsVal cannot work in place'):
        drive(TEXT, [np.ones(2)], in_place=True)


def test_recorded(recorded):
    recorded('absval')
