"""Exp against base^(scale x + shift), and the recorded case."""

import numpy as np
import pytest

OPTIONS = [(-1, 1, 0), (-1, 0.5, -1), (2, 1, 0), (0.5, -2, 1), (3, 0.25, 2), (1, 2, 3), (2, 0, 1)]


@pytest.mark.parametrize(('base', 'scale', 'shift'), OPTIONS)
def test_equals_the_formula(check_neuron, base, scale, shift):
    number = np.e if base == -1 else base
    check_neuron(f'type: "Exp" exp_param {{ base: {base} scale: {scale} shift: {shift} }}',
                 lambda x: np.power(number, scale * x + shift),
                 lambda x, y, dy: dy * y * np.log(number) * scale)


@pytest.mark.parametrize('base', [0, -2])
def test_refuses_a_base_that_is_not_positive(drive, base):
    with pytest.raises(ValueError, match=f'base is {base}; expected a positive number'):
        drive(f'type: "Exp" exp_param {{ base: {base} }}', [np.ones(2)])


def test_recorded(recorded):
    recorded('exp_base')
