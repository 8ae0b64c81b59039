"""Accuracy against a loop over positions, ties and ignored labels included."""

import numpy as np
import pytest


def plain(scores, label, axis, top_k, ignore):
    """Accuracy and per-class accuracy, one position at a time."""
    rows = np.moveaxis(scores, axis, -1).reshape(-1, scores.shape[axis])
    right, seen = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
    for row, want in zip(rows, label.reshape(-1).astype(int), strict=True):
        if want == ignore:
            continue
        seen[want] += 1
        others = [v for i, v in enumerate(row) if i != want]
        right[want] += sum(v >= row[want] for v in others) < top_k
    return right.sum() / max(1, seen.sum()), right / np.maximum(1, seen)


def text(top_k=1, axis=1, ignore=None, tops=2):
    ignoring = '' if ignore is None else f'ignore_label: {ignore}'
    return (f'type: "Accuracy" accuracy_param {{ top_k: {top_k} axis: {axis} {ignoring} }}'
            + ' top: "t"' * tops)


@pytest.mark.parametrize('seed', range(12))
def test_equals_a_loop(drive, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(2, 6, r.randint(2, 5)))
    axis = r.randint(1, len(shape))
    top_k = r.randint(1, shape[axis] + 1)
    ignore = [None, 0, 255][seed % 3]
    scores = r.randint(0, 5, shape) / 4  # many ties
    label = r.randint(0, shape[axis], shape[:axis] + shape[axis + 1:]).astype('d')
    if ignore is not None:
        label[r.uniform(size=label.shape) < 0.3] = ignore
    given = axis - len(shape) if seed % 2 else axis
    found = drive(text(top_k, given, ignore), [scores, label]).forward()
    for ours, want in zip(found, plain(scores, label, axis, top_k, ignore), strict=True):
        np.testing.assert_allclose(ours, want, rtol=1e-6)


def test_a_tie_counts_against_the_label(drive):
    assert drive(text(tops=1), [np.zeros((1, 3)), np.zeros(1)]).forward()[0] == 0
    assert drive(text(3, tops=1), [np.zeros((1, 3)), np.zeros(1)]).forward()[0] == 1


def test_without_labels_it_is_zero(drive):
    total, per_class = drive(text(1, 1, 9), [np.zeros((2, 3)), np.full(2, 9.0)]).forward()
    assert total == 0 and not per_class.any()


def test_refusals(drive):
    for options, label, said in [((4,), np.zeros(2), 'top_k is 4; expected at most .* 3'),
                                 ((1, 2), np.zeros(2), 'axis 2 is out of range'),
                                 ((1,), np.zeros(3), 'holds 3 labels; expected 2'),
                                 ((1,), np.full(2, 3.0), 'label 3 is no class')]:
        with pytest.raises(ValueError, match=said):
            drive(text(*options), [np.zeros((2, 3)), label]).forward()
    driven = drive(text(tops=1), [np.zeros((2, 3)), np.zeros(2)])
    with pytest.raises(ValueError, match='has no backward pass'):
        driven.backward([np.array(1.0)], [True, False])
