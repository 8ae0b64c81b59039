"""Tile against numpy.tile along one axis, and the recorded case."""

import numpy as np
import pytest


@pytest.mark.parametrize('seed', range(10))
def test_equals_concatenating_copies(drive, close, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 5, r.randint(1, 5)))
    axis, tiles = r.randint(len(shape)), r.randint(1, 4)
    x = r.standard_normal(shape)
    driven = drive(f'type: "Tile" tile_param {{ axis: {axis - len(shape) * r.randint(2)} '
                   f'tiles: {tiles} }}', [x])
    y = np.concatenate([x] * tiles, axis)
    close(driven.forward()[0], y)
    dy = r.standard_normal(y.shape)
    driven.backward([dy])
    close(driven.bottom[0].diff.numpy(), sum(np.split(dy, tiles, axis)))


def test_one_tile_is_a_copy(drive):
    driven = drive('type: "Tile" tile_param { tiles: 1 }', [np.ones((2, 3))])
    driven.forward()
    driven.backward([np.ones((2, 3))])
    assert driven.top[0].data.data_ptr() != driven.bottom[0].data.data_ptr()
    assert driven.top[0].diff.data_ptr() != driven.bottom[0].diff.data_ptr()


def test_gradient(check_gradient):
    check_gradient('type: "Tile" tile_param { tiles: 3 }',
                   [np.random.RandomState(0).standard_normal((2, 3, 2))])


@pytest.mark.parametrize(('options', 'said'), [('', 'tiles 0; expected 1 or more'),
                                               ('tiles: -1', 'tiles -1'),
                                               ('tiles: 2 axis: 2', 'axis 2 is out of range')])
def test_refusals(drive, options, said):
    with pytest.raises(ValueError, match=said):
        drive(f'type: "Tile" tile_param {{ {options} }}', [np.ones((2, 3))]).forward()


def test_recorded(recorded):
    recorded('tile')
