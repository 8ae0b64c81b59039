"""Sampling down against slices: VGG16's fc6 and fc7 in each layout, and the branches of ASPP."""

import numpy as np
import pytest

from surgery.sampling import branches, fitted, places, sample_down


def noise(*shape: int) -> np.ndarray:
    return np.random.RandomState(0).standard_normal(shape).astype('f')


@pytest.mark.parametrize('old, size, kept', [
    (7, 3, [0, 3, 6]), (7, 4, [0, 2, 4, 6]), (7, 7, range(7)), (7, 1, [3]),
    (7, 5, [0, 2, 3, 5, 6])])
def test_taps_keep_the_centre(old, size, kept):
    assert places(old, size, True).tolist() == list(kept)


def test_filters_are_every_kth():
    assert places(4096, 1024, False).tolist() == list(range(0, 4096, 4))
    assert places(10, 3, False).tolist() == [0, 3, 6]


FC6 = noise(16, 5 * 49)                     # 16 filters of 5 channels on 7 x 7


@pytest.mark.parametrize('old', [FC6, FC6.reshape(1, 1, 16, 245), FC6.reshape(16, 5, 7, 7)])
@pytest.mark.parametrize('kernel, step', [(3, 3), (4, 2)])
def test_fc6_in_each_layout(old, kernel, step):
    got = fitted('fc6', old, (4, 5, kernel, kernel))
    assert np.array_equal(got, FC6.reshape(16, 5, 7, 7)[::4, :, ::step, ::step])


@pytest.mark.parametrize('layout', [(16, 16), (1, 1, 16, 16), (16, 16, 1, 1)])
def test_fc7_in_each_layout(layout):
    old = noise(16, 16)
    got = fitted('fc7', old.reshape(layout), (4, 4, 1, 1))
    assert np.array_equal(got[..., 0, 0], old[::4, ::4])


@pytest.mark.parametrize('layout', [(16,), (1, 1, 1, 16)])
def test_biases(layout):
    old = noise(16)
    assert np.array_equal(fitted('fc6', old.reshape(layout), (4,)), old[::4])


def test_what_fits_is_left_as_it_is():
    assert fitted('fc6', FC6, (16, 5, 7, 7)) is FC6


def test_larger_is_refused():
    with pytest.raises(ValueError, match=r"layer 'fc7': \(16, 16, 1, 1\) cannot be sampled down"):
        fitted('fc7', noise(16, 16), (32, 32, 1, 1))


def net(*names: str) -> dict[str, list[np.ndarray]]:
    return {name: [np.zeros((4, 5, 3, 3), 'f'), np.zeros(4, 'f')] for name in names}


def test_branches_begin_alike():
    source = {'conv5_3': [noise(5)], 'fc6': [FC6, noise(16)], 'fc8': [noise(3)]}
    new = net('fc6_1', 'fc6_2', 'fc6_x', 'fc60')
    assert branches(new, 'fc6') == ['fc6_1', 'fc6_2']
    found, told = sample_down(new, source, ['fc6', 'fc7'])
    assert list(found) == ['conv5_3', 'fc8', 'fc6_1', 'fc6_2']
    assert told == {f'fc6_{i}': 'fc6 sampled down to 4 x 5 x 3 x 3' for i in (1, 2)}
    assert np.array_equal(found['fc6_1'][0], found['fc6_2'][0])
    assert np.array_equal(found['fc6_1'][0], fitted('fc6', FC6, (4, 5, 3, 3)))


def test_a_net_that_fits_tells_nothing():
    source = net('fc6')
    found, told = sample_down(net('fc6'), source, ['fc6'])
    assert not told and found['fc6'][0] is source['fc6'][0]
    assert sample_down(net('fc6_1'), source, ['fc6'])[1] == {'fc6_1': 'as fc6'}
    assert sample_down(net('fc6'), source, []) == (source, {})
