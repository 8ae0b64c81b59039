"""Crop against Caffe's recorded numbers, numpy slices, and central differences."""

import numpy as np
import pytest


@pytest.mark.parametrize('name', ['crop_axis1', 'crop_offset_scalar', 'crop_offsets_hw'])
def test_caffe_recorded(recorded, name):
    recorded(name)


def text(options: str) -> str:
    return f'type: "Crop" crop_param {{ {options} }}'


SHAPE = (2, 3, 5, 6)


@pytest.mark.parametrize('options, like, part', [
    ('', (9, 9, 3, 4), np.s_[:, :, :3, :4]),                    # axis 2 and offset 0 by default
    ('offset: 1', (1, 1, 4, 4), np.s_[:, :, 1:5, 1:5]),
    ('offset: 2 offset: 0', (1, 1, 3, 6), np.s_[:, :, 2:5, :]),
    ('axis: -1 offset: 3', (1, 1, 9, 2), np.s_[..., 3:5]),
    ('axis: 1 offset: 1 offset: 2 offset: 3', (9, 2, 3, 3), np.s_[:, 1:3, 2:5, 3:6]),
    ('axis: 0 offset: 1', (1, 2, 3, 4), np.s_[1:2, 1:3, 1:4, 1:5]),
    ('', (1, 1, 5, 6, 7), np.s_[:]),                            # further axes play no part
])
def test_equals_a_slice(drive, check_gradient, options, like, part):
    x = np.random.RandomState(0).standard_normal(SHAPE)
    driven = drive(text(options), [x, np.zeros(like)])
    assert np.array_equal(driven.forward()[0], x[part].astype('float32'))
    check_gradient(text(options), [x, np.zeros(like)], propagate=[True, False])


def test_the_top_has_memory_of_its_own(drive):
    driven = drive(text(''), [np.ones(SHAPE), np.ones(SHAPE)])
    driven.forward()
    driven.top[0].data.zero_()
    assert driven.bottom[0].data.all()


@pytest.mark.parametrize('options, like, words', [
    ('axis: 4', SHAPE, 'axis 4 is out of range'),
    ('offset: 1 offset: 1 offset: 1', SHAPE, 'offset is given 3 times.*each of the 2 axes'),
    ('offset: 1', SHAPE, 'axis 2: offset 1 and size 5 .* reach past the 5'),
    ('', (2, 3, 5, 7), 'axis 3: offset 0 and size 7'),
    ('', (2, 3, 5), 'has fewer axes'),
])
def test_checks(drive, options, like, words):
    with pytest.raises(ValueError, match=words):
        drive(text(options), [np.zeros(SHAPE), np.zeros(like)]).forward()
