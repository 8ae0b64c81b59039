"""Threshold against x > t; it refuses a backward pass; the recorded case."""

import numpy as np
import pytest
import torch


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('threshold', [0, 0.5, -1])
def test_equals_the_comparison(drive, threshold, in_place):
    x = np.random.RandomState(0).randint(-4, 5, (3, 4)) / 2
    for dtype in (torch.float32, torch.float64):
        driven = drive(f'type: "Threshold" threshold_param {{ threshold: {threshold} }}', [x], 0,
                       dtype, in_place)
        assert np.array_equal(driven.forward()[0], x > threshold)


def test_has_no_backward_pass(drive):
    driven = drive('type: "Threshold"', [np.ones(2)])
    driven.forward()
    with pytest.raises(ValueError, match='Threshold has no backward pass'):
        driven.backward([np.ones(2)])


def test_recorded(recorded):
    recorded('threshold')
