"""BiasChannel against adding label by label; its gradient is the scores' own."""

import numpy as np
import pytest

TEXT = 'type: "BiasChannel" bias_channel_param {{ {} }}'


def scores() -> np.ndarray:
    return np.random.RandomState(0).standard_normal((2, 4, 3, 5))


def images_labels() -> np.ndarray:
    return np.array([[0, 2, -1], [3, 3, 255]]).reshape(2, 3, 1, 1)


def pixels_labels() -> np.ndarray:
    return np.random.RandomState(1).choice([-1, 0, 1, 2, 3, 255], (2, 1, 3, 5))


def test_labels_of_images(drive):
    """Class 0 is the background here; a class named twice is raised twice."""
    x = scores()
    (y,) = drive(TEXT.format('bg_bias: 5 fg_bias: 6 ignore_label: 255'),
                 [x, images_labels()]).forward()
    x[0, 0] += 5
    x[0, 2] += 6
    x[1, 3] += 12
    np.testing.assert_allclose(y, x, rtol=1e-5)


@pytest.mark.parametrize('options, background, low', [
    ('fg_bias: 6', None, 1), ('fg_bias: 6 bg_bias: 5', 0, 5), ('background_label: 2', 2, 1)])
def test_labels_of_pixels(drive, options, background, low):
    """The background counts only where the file names its label or its bias."""
    x, labels = scores(), pixels_labels()
    (y,) = drive(TEXT.format(f'label_type: PIXEL ignore_label: 255 {options}'),
                 [x, labels]).forward()
    high = 6 if 'fg_bias' in options else 2
    for n, row, column in np.ndindex(2, 3, 5):
        label = labels[n, 0, row, column]
        if label in (-1, 255):
            continue
        if background is not None:
            x[n, background, row, column] += low
        if label != background:
            x[n, label, row, column] += high
    np.testing.assert_allclose(y, x, rtol=1e-5)


@pytest.mark.parametrize('kind, labels', [('IMAGE', images_labels()), ('PIXEL', pixels_labels())])
def test_gradient(check_gradient, drive, kind, labels):
    text = TEXT.format(f'label_type: {kind} ignore_label: 255')
    check_gradient(text, [scores(), labels], propagate=[True, False])
    driven = drive(text, [scores(), labels])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to its labels'):
        driven.backward([np.ones((2, 4, 3, 5))])


def test_refusals(drive):
    with pytest.raises(ValueError, match='label 4 is no class'):
        drive(TEXT.format(''), [scores(), np.full((2, 1, 1, 1), 4)]).forward()
    with pytest.raises(ValueError, match='bg_bias is -1 .* expected 0 or more'):
        drive(TEXT.format('bg_bias: -1'), [scores(), images_labels()])
    with pytest.raises(ValueError, match='N x L x 1 x 1, the labels of each image'):
        drive(TEXT.format(''), [scores(), pixels_labels()]).forward()
    with pytest.raises(ValueError, match='N x 1 x H x W, a label a pixel'):
        drive(TEXT.format('label_type: PIXEL'), [scores(), images_labels()]).forward()
    with pytest.raises(ValueError, match='background_label is 9; expected 0 to 3'):
        drive(TEXT.format('label_type: PIXEL background_label: 9'),
              [scores(), pixels_labels()]).forward()
