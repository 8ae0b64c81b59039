"""SoftmaxWithLoss against loops over positions, recorded numbers and central differences."""

import numpy as np
import pytest
import torch

FLT_MIN = np.finfo('float32').tiny
MODES = ['', 'normalization: FULL', 'normalization: VALID', 'normalization: BATCH_SIZE',
         'normalization: NONE', 'normalize: true', 'normalize: false',
         'normalize: false normalization: VALID']


def plain(x, label, axis, ignore, mode):
    """Loss, gradient and probabilities, one position at a time."""
    moved = np.moveaxis(x, axis, -1)
    flat, labels = moved.reshape(-1, x.shape[axis]), label.reshape(-1)
    probs, grads, total, valid = [], [], 0.0, 0
    for row, want in zip(flat, labels.astype(int), strict=True):
        p = np.exp(row - row.max())
        p /= p.sum()
        probs.append(p)
        if want == ignore:
            grads.append(0 * p)
            continue
        total -= np.log(max(p[want], FLT_MIN))
        valid += 1
        grads.append(p - np.eye(len(p))[want])
    full, batch = len(labels), int(np.prod(x.shape[:axis]))
    divisor = {'': valid, 'FULL': full, 'VALID': valid, 'BATCH_SIZE': batch, 'NONE': 1,
               'true': valid, 'false': batch}[mode.split(': ')[-1]]
    divisor = max(1, divisor)

    def back(rows):
        return np.moveaxis(np.array(rows).reshape(moved.shape), -1, axis)
    return total / divisor, back(grads) / divisor, back(probs)


def text(axis, ignore, mode, tops=1):
    loss = mode + ('' if ignore is None else f' ignore_label: {ignore}')
    return (f'name: "loss" type: "SoftmaxWithLoss" loss_param {{ {loss} }} '
            f'softmax_param {{ axis: {axis} }}' + ' top: "t"' * tops)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('seed', range(4))
def test_equals_loops_over_positions(drive, mode, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(1, 6, r.randint(2, 6)))
    axis = r.randint(1, len(shape))
    ignore = [None, 255, 0, -1][seed]
    x = r.uniform(-4, 4, shape)
    label = r.randint(0, shape[axis], shape[:axis] + shape[axis + 1:]).astype('d')
    if ignore is not None:
        label[r.uniform(size=label.shape) < 0.4] = ignore
    given = axis - len(shape) if seed % 2 else axis
    driven = drive(text(given, ignore, mode, 2), [x, label], dtype=torch.float64)
    loss, prob = driven.forward()
    driven.backward([np.array(0.7), prob], [True, False])
    want_loss, want_grad, want_prob = plain(x, label, axis, ignore, mode)
    assert loss.shape == ()
    np.testing.assert_allclose(loss, want_loss, rtol=1e-12)
    np.testing.assert_allclose(prob, want_prob, rtol=1e-12)
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), 0.7 * want_grad, atol=1e-13)


@pytest.mark.parametrize('mode', MODES)
def test_gradient(check_gradient, mode):
    r = np.random.RandomState(1)
    label = r.randint(0, 4, (2, 3, 2)).astype('d')
    label[0, 0, 0] = 255
    check_gradient(text(1, 255, mode), [r.uniform(-1, 1, (2, 4, 3, 2)), label],
                   propagate=[True, False])


def test_a_hopeless_score_costs_87_and_keeps_its_gradient(drive):
    driven = drive(text(1, None, ''), [np.array([[0.0, 500.0]]), np.zeros(1)])
    assert driven.forward()[0] == pytest.approx(87.3365, abs=1e-3)
    driven.backward([np.array(1.0)], [True, False])
    np.testing.assert_array_equal(driven.bottom[0].diff.numpy(), [[-1, 1]])


def test_without_a_valid_label_loss_and_gradient_are_zero(drive):
    driven = drive(text(1, 255, ''), [np.full((1, 3, 2, 2), np.nan), np.full((1, 2, 2), 255.0)])
    assert driven.forward()[0] == 0
    driven.backward([np.array(1.0)], [True, False])
    assert not driven.bottom[0].diff.any()


def test_backward_twice_gives_the_same(drive):
    driven = drive(text(1, None, ''), [np.random.RandomState(0).randn(2, 3, 4), np.ones((2, 4))])
    driven.forward()
    driven.backward([np.array(1.0)], [True, False])
    first = driven.bottom[0].diff.clone()
    driven.backward([np.array(1.0)], [True, False])
    assert torch.equal(first, driven.bottom[0].diff)


def test_refusals(drive):
    x = np.zeros((2, 3, 4))
    for labels, said in [(np.full((2, 4), 3.0), 'label 3 is no class.* 0 to 2, and no ignore_lab'),
                         (np.full((2, 4), -1.0), 'label -1 is no class'),
                         (np.zeros((2, 5)), r"'bottom1' \[2, 5\] holds 10 labels; expected 8"),
                         (np.zeros((3, 4)), 'same first dimension')]:
        with pytest.raises(ValueError, match=said):
            drive(text(1, None, ''), [x, labels]).forward()
    driven = drive(text(1, None, ''), [x, np.zeros((2, 4))])
    driven.forward()
    with pytest.raises(ValueError, match='cannot backpropagate to label inputs'):
        driven.backward([np.array(1.0)], [True, True])
    with pytest.raises(ValueError, match='softmax axis 3 is out of range'):
        drive(text(3, None, ''), [x, np.zeros((2, 4))]).forward()


WEIGHTED = ('name: "loss" type: "SoftmaxWithLoss" loss_param { %s weight_by_label_freqs: true '
            'class_weighting: [0.5, 2, 3] ignore_label: 11 }')


@pytest.mark.parametrize('mode', ['', 'normalize: false', 'normalization: FULL'])
def test_class_weighting_scales_each_position_by_its_label(drive, check_gradient, mode):
    r = np.random.RandomState(5)
    x, weights = r.uniform(-2, 2, (2, 3, 4, 5)), np.array([0.5, 2, 3])
    label = r.choice([0, 1, 2, 11], (2, 1, 4, 5)).astype('d')
    total, valid = 0.0, 0
    for n, i, j in np.ndindex(2, 4, 5):
        want = int(label[n, 0, i, j])
        if want != 11:
            p = np.exp(x[n, :, i, j]) / np.exp(x[n, :, i, j]).sum()
            total, valid = total - weights[want] * np.log(p[want]), valid + 1
    divisor = {'': valid, 'normalize: false': 2, 'normalization: FULL': 40}[mode]
    (loss,) = drive(WEIGHTED % mode, [x, label], dtype=torch.float64).forward()
    assert np.isclose(loss, total / divisor)
    check_gradient(WEIGHTED % mode, [x, label], propagate=[True, False])


def test_class_weighting_needs_a_weight_a_class(drive):
    with pytest.raises(ValueError, match='3 weight.*each of the 4 classes'):
        drive(WEIGHTED % '', [np.zeros((1, 4, 2, 2)), np.zeros((1, 1, 2, 2))]).forward()


@pytest.mark.parametrize('tops', [1, 2])
def test_a_second_backward_pass_gives_the_same(drive, tops):
    """Though the first takes the probabilities' memory where they are no top."""
    r = np.random.RandomState(3)
    x, label = r.uniform(-4, 4, (2, 5, 3)), r.randint(0, 5, (2, 3)).astype('d')
    driven = drive(text(1, None, '', tops), [x, label], dtype=torch.float64)
    loss = driven.forward()
    diffs = [np.array(1.0)] + ([loss[1]] if tops == 2 else [])
    found = []
    for _ in range(2):
        driven.backward(diffs, [True, False])
        found.append(driven.bottom[0].diff.clone())
    first, again = found
    assert first.any() and torch.equal(first, again)


def v1_text(folder, weights: str | None) -> str:
    source = f'weight_source: "{folder}/weights"' if weights is not None else ''
    if weights is not None:
        (folder / 'weights').write_text(weights)
    return (f'name: "loss" type: "SoftmaxWithLoss" softmaxloss_param {{ {source} '
            'ignore_label: 11 ignore_label: 12 }')


@pytest.mark.parametrize('weights', [(1, 1, 1), (0.5, 2, 3), (0.01, 0, 0.02)])
def test_weight_source_is_a_weighted_mean(drive, check_gradient, tmp_path, weights):
    """DeepLab v1: both the sum and what it is divided by are weighed; two labels are ignored."""
    r = np.random.RandomState(6)
    x = r.uniform(-2, 2, (2, 3, 4, 5))
    label = r.choice([0, 1, 2, 11, 12], (2, 1, 4, 5)).astype('d')
    text = v1_text(tmp_path, None if set(weights) == {1} else '\n'.join(map(str, weights)))
    total = mass = 0.0
    for n, i, j in np.ndindex(2, 4, 5):
        if (want := int(label[n, 0, i, j])) < 3:
            p = np.exp(x[n, :, i, j]) / np.exp(x[n, :, i, j]).sum()
            total, mass = total - weights[want] * np.log(p[want]), mass + weights[want]
    (loss,) = drive(text, [x, label], dtype=torch.float64).forward()
    assert np.isclose(loss, total / mass)
    driven = check_gradient(text, [x, label], propagate=[True, False])
    assert not driven.bottom[0].diff.permute(1, 0, 2, 3)[:, label[:, 0] > 2].any()


def test_weight_source_without_a_label_gives_no_loss(drive, tmp_path):
    x, label = np.ones((1, 3, 2, 2)), np.full((1, 1, 2, 2), 11)
    driven = drive(v1_text(tmp_path, '1 2 3'), [x, label])
    assert driven.forward()[0] == 0
    driven.backward([np.array(1.0)], [True, False])
    assert not driven.bottom[0].diff.any()


@pytest.mark.parametrize('weights, words', [
    ('1 2', r'weights gives 2 weight\(s\); expected one for each of the 3 classes'),
    ('1 x 2', "weights: could not convert .*'x'; expected one weight a class"),
    ('1 -2 3', 'a weight is -2; expected 0 or more')])
def test_weight_sources_that_are_refused(drive, tmp_path, weights, words):
    with pytest.raises(ValueError, match=words):
        drive(v1_text(tmp_path, weights), [np.zeros((1, 3, 2, 2)), np.zeros((1, 1, 2, 2))]
              ).forward()
    (tmp_path / 'weights').unlink()
    with pytest.raises(FileNotFoundError, match='weights: no such weight_source'):
        drive('name: "loss" type: "SoftmaxWithLoss" softmaxloss_param { weight_source: '
              f'"{tmp_path}/weights" }}', [np.zeros((1, 3)), np.zeros(1)])
