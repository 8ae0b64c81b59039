"""Interp against the formulas of DeepLab's layer written out, and central differences."""

import numpy as np
import pytest


def text(options: str) -> str:
    return f'type: "Interp" interp_param {{ {options} }}'


def matrix(size: int, out: int) -> np.ndarray:
    """Return the weights of one axis, out x size: corners onto corners, linear between."""
    m = np.zeros((out, size))
    ratio = np.float32(size - 1) / np.float32(out - 1) if out > 1 else np.float32(0)
    for o in range(out):
        at = np.float32(ratio * np.float32(o))
        low = int(at)
        m[o, low] += 1 - (at - low)
        m[o, min(low + 1, size - 1)] += at - low
    return m


@pytest.mark.parametrize('options, size, out', [
    ('zoom_factor: 8', (3, 4), (17, 25)),
    ('zoom_factor: 1', (3, 4), (3, 4)),
    ('shrink_factor: 8', (17, 8), (3, 1)),
    ('shrink_factor: 4 zoom_factor: 3', (9, 5), (7, 4)),     # shrunk first: 3, 2
    ('height: 7 width: 3', (4, 5), (7, 3)),
    ('height: 1 width: 1', (4, 5), (1, 1)),
    ('height: 9 width: 9 zoom_factor: 2', (4, 5), (7, 9)),      # a factor alone comes first
    ('height: 9 width: 9 zoom_factor: 2 shrink_factor: 2', (4, 5), (9, 9)),
    ('height: 9 zoom_factor: 2', (4, 5), (7, 9)),
    ('zoom_factor: 2', (1, 3), (1, 5)),
])
def test_equals_the_definition(drive, check_gradient, options, size, out):
    x = np.random.RandomState(0).standard_normal((1, 2, *size))
    (y,) = drive(text(options), [x]).forward()
    expected = np.einsum('yh,xw,nchw->ncyx', matrix(size[0], out[0]), matrix(size[1], out[1]), x)
    assert y.shape == (1, 2, *out)
    np.testing.assert_allclose(y, expected, atol=1e-5)
    check_gradient(text(options), [x])


@pytest.mark.parametrize('options', ['zoom_factor: 3', 'zoom_factor: 1', 'height: 4 width: 4'])
def test_padding_crops_first(drive, check_gradient, options):
    x = np.random.RandomState(1).standard_normal((1, 2, 6, 7))
    held = options + ' pad_beg: -1 pad_end: -2'
    (y,) = drive(text(held), [x]).forward()
    (expected,) = drive(text(options), [x[:, :, 1:4, 1:5]]).forward()
    assert np.array_equal(y, expected)
    check_gradient(text(held), [x])


def test_shrinking_321_by_8_takes_every_eighth_label(drive):
    """DeepLab's label_shrink: no label is blended with its neighbour."""
    x = np.random.RandomState(2).randint(0, 21, (1, 1, 321, 321))
    (y,) = drive(text('shrink_factor: 8'), [x]).forward()
    assert np.array_equal(y, x[:, :, ::8, ::8])


@pytest.mark.parametrize('options, words', [
    ('', 'expected shrink_factor, zoom_factor, or height and width'),
    ('height: 5', 'expected shrink_factor'),
    ('zoom_factor: 2 pad_beg: 1', 'only cropping is supported'),
    ('zoom_factor: 0', 'zoom_factor 0; expected at least 1'),
    ('zoom_factor: 2 pad_beg: -3 pad_end: -2', r'is \[0, 1\] after cropping'),
    ('height: 0 width: 3', r'\[0, 3\] resized'),
])
def test_checks(drive, options, words):
    with pytest.raises(ValueError, match=words):
        drive(text(options), [np.zeros((1, 1, 5, 6))]).forward()


def test_four_axes(drive):
    with pytest.raises(ValueError, match='must have 4 axes'):
        drive(text('zoom_factor: 2'), [np.zeros((1, 5, 6))]).forward()
