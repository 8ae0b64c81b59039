"""ContrastiveLoss against a loop over pairs and central differences."""

import numpy as np
import pytest

MODES = [(1, False), (2.5, False), (2.5, True), (1, True)]


def text(margin, legacy):
    return ('type: "ContrastiveLoss" top: "t" contrastive_loss_param '
            f'{{ margin: {margin} legacy_version: {str(legacy).lower()} }}')


def plain(a, b, similar, margin, legacy):
    """Loss and gradient of a, one pair at a time."""
    total, slope = 0.0, np.zeros(a.shape)
    for i, kind in enumerate(similar.reshape(-1).astype(int)):
        d = (a[i] - b[i]).reshape(-1)
        square = (d * d).sum()
        dist = np.sqrt(square)
        if kind:
            total, factor = total + square, 1
        elif legacy:
            total, factor = total + max(margin - square, 0), -1 * (square < margin)
        else:
            total += max(margin - dist, 0) ** 2
            factor = -(margin - dist) / (dist + 1e-4) * (dist < margin)
        slope[i] = (factor * d).reshape(slope[i].shape)
    return total / 2 / len(a), slope / len(a)


@pytest.mark.parametrize('margin, legacy', MODES)
@pytest.mark.parametrize('shape', [(7, 3), (6, 2, 1, 1), (5, 1)])
def test_equals_a_loop(drive, margin, legacy, shape):
    r = np.random.RandomState(4)
    a, b = r.randn(2, *shape)
    b[0] = a[0]
    similar = np.array([0, 1, 0, 3, -1, 0.9, 0])[:shape[0], None]
    driven = drive(text(margin, legacy), [a, b, similar])
    loss, slope = plain(a, b, similar, margin, legacy)
    np.testing.assert_allclose(driven.forward()[0], loss, rtol=1e-5)
    driven.backward([np.array(1.5)], [True, True, False])
    for blob, sign in zip(driven.bottom[:2], (1, -1), strict=True):
        np.testing.assert_allclose(blob.diff.numpy(), 1.5 * sign * slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('margin, legacy', MODES)
def test_gradient(check_gradient, margin, legacy):
    r = np.random.RandomState(5)
    a, b = r.randn(2, 6, 3) * 0.7
    check_gradient(text(margin, legacy), [a, b, np.array([0., 1, 0, 1, 0, 0])],
                   propagate=[True, True, False], tol=5e-4)  # Caffe's d + 1e-4


def test_refusals(drive):
    for shapes, said in [(((2, 3), (2, 4), (2,)), 'as many channels'),
                         (((2, 3), (2, 3), (4,)), 'one value for each of the 2 pairs'),
                         (((2, 3, 2, 1), (2, 3, 2, 1), (2,)), 'must be N x C')]:
        with pytest.raises(ValueError, match=said):
            drive(text(1, False), [np.zeros(s) for s in shapes]).forward()
