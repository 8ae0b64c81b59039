"""Power against (shift + scale x)^power and Caffe's quotient for its slope; recorded cases."""

import numpy as np
import pytest

OPTIONS = [(1, 1, 0), (1, -2, 3), (2, 1, 0), (2, 0.5, 1), (3, 1, 0), (0.5, 2, 0), (2.5, 0.5, 2),
           (-1, 1, 3), (0, 2, 5), (3, 0, 2), (0, 0, 0)]


def slope(power, scale, shift):
    """The derivative as Caffe takes it from x and y, times dy."""
    def backward(x, y, dy):
        if power * scale == 0:
            return np.zeros_like(x)
        if power == 1:
            return dy * scale
        if power == 2:
            return dy * 2 * scale * (shift + scale * x)
        if shift == 0:
            return dy * power * y / x
        return dy * power * scale * y / (shift + scale * x)
    return backward


@pytest.mark.parametrize(('power', 'scale', 'shift'), OPTIONS)
def test_equals_the_formula(check_neuron, power, scale, shift):
    check_neuron(f'type: "Power" power_param {{ power: {power} scale: {scale} shift: {shift} }}',
                 lambda x: np.full_like(x, float(shift) ** power) if power * scale == 0
                 else (shift + scale * x) ** power,
                 slope(power, scale, shift), low=0.5, high=3, in_place='squared')


def test_the_slope_at_zero_is_not_a_number_as_in_caffe(drive):
    driven = drive('type: "Power" power_param { power: 3 }', [np.array([0.0, 2.0])])
    driven.forward()
    driven.backward([np.ones(2)])
    found = driven.bottom[0].diff.numpy()
    assert np.isnan(found[0]) and found[1] == pytest.approx(12)


@pytest.mark.parametrize('name', ['power', 'power_linear'])
def test_recorded(recorded, name):
    recorded(name)
