"""SegAccuracy against counting pixel by pixel; it has no gradient."""

import numpy as np
import pytest
import torch

TEXT = 'type: "SegAccuracy" seg_accuracy_param {{ {} }}'


def counted(scores: np.ndarray, labels: np.ndarray, ignore: tuple[int, ...] = ()) -> np.ndarray:
    """The confusion matrix [label, prediction]; of equal scores the last class wins."""
    matrix = np.zeros((scores.shape[1],) * 2)
    for n, y, x in np.ndindex(*scores[:, 0].shape):
        label = int(labels[n, 0, y, x])
        if label not in ignore:
            best = max(range(scores.shape[1]), key=lambda c: (scores[n, c, y, x], c))
            matrix[label, best] += 1
    return matrix


def measured(matrix: np.ndarray) -> list[float]:
    classes = range(len(matrix))
    recalls = [matrix[c, c] / matrix[c].sum() for c in classes if matrix[c].sum()]
    unions = [matrix[c].sum() + matrix[:, c].sum() - matrix[c, c] for c in classes]
    jaccards = [matrix[c, c] / unions[c] if unions[c] else 1 for c in classes]
    total = matrix.sum()
    return [np.trace(matrix) / total if total else 0, np.mean(recalls) if recalls else 0,
            np.mean(jaccards)]


def scene(seed: int, classes: int = 4) -> list[np.ndarray]:
    """Scores with many ties, and labels with two that may be ignored."""
    draw = np.random.RandomState(seed)
    labels = draw.choice([0, 1, 2, 250, 255], (2, 1, 5, 6))
    return [draw.randint(0, 3, (2, classes, 5, 6)).astype('f'), labels.astype('f')]


@pytest.mark.parametrize('phase', [0, 1])
def test_against_counting(drive, phase):
    arrays = scene(0)
    driven = drive(TEXT.format('ignore_label: [255, 250] metric: PixelIOU'), arrays, phase)
    (got,) = driven.forward()
    np.testing.assert_allclose(got.ravel(), measured(counted(*arrays, (250, 255))), rtol=1e-6)
    assert got.shape == (1, 1, 1, 3)


def test_nothing_counted(drive):
    scores, labels = scene(1)
    (got,) = drive(TEXT.format('ignore_label: 9'), [scores, np.full_like(labels, 9)]).forward()
    assert got.ravel().tolist() == [0, 0, 1]


@pytest.mark.parametrize('reset', [True, False])
def test_reset_begins_anew_or_goes_on(drive, reset):
    first, second = scene(2), scene(3)
    driven = drive(TEXT.format(f'ignore_label: [255, 250] reset: {str(reset).lower()}'), first)
    driven.forward()
    driven.arrays = second
    matrix = counted(*second, (250, 255))
    if not reset:
        matrix += counted(*first, (250, 255))
    np.testing.assert_allclose(driven.forward()[0].ravel(), measured(matrix), rtol=1e-6)


def test_no_gradient_and_what_is_refused(drive):
    scores, labels = scene(4)
    driven = drive(TEXT.format('ignore_label: [255, 250]'), [scores, labels], dtype=torch.float64)
    with pytest.raises(ValueError, match='has no backward pass'):
        driven.backward(driven.forward())
    with pytest.raises(ValueError, match='label 250 is no class.*or the ignore_label 255'):
        drive(TEXT.format('ignore_label: 255'), [scores, labels.clip(0, 250)]).forward()
    with pytest.raises(ValueError, match='expected N x C x H x W and N x 1 x H x W'):
        drive(TEXT.format(''), [scores, labels[:, 0]]).forward()
