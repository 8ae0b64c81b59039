"""Log against log_base(scale x + shift), and the recorded case."""

import numpy as np
import pytest

OPTIONS = [(-1, 1, 0), (-1, 0.5, 1), (2, 1, 0), (10, -2, 9), (0.5, 3, 0.25)]


@pytest.mark.parametrize(('base', 'scale', 'shift'), OPTIONS)
def test_equals_the_formula(check_neuron, base, scale, shift):
    """In place Caffe reads y for x; where scale y + shift is 0 or less its log means nothing."""
    unit = 1 if base == -1 else np.log(base)
    check_neuron(f'type: "Log" log_param {{ base: {base} scale: {scale} shift: {shift} }}',
                 lambda x: np.log(scale * x + shift) / unit,
                 lambda x, y, dy: dy * scale / unit / (scale * x + shift), low=1.5, high=4,
                 in_place='squared')


@pytest.mark.parametrize(('base', 'said'), [(0, 'base is 0; expected'), (-3, 'base is -3'),
                                            (1, 'base is 1, whose logarithm is 0')])
def test_refuses_a_base_without_logarithm(drive, base, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Log" log_param {{ base: {base} }}', [np.ones(2)])


def test_recorded(recorded):
    recorded('log')
