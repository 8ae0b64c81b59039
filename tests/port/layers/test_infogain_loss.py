"""InfogainLoss against loops over positions and classes, and central differences."""

import numpy as np
import pytest

from netspec.schema import array_blob, write_binary

MODES = ['', 'normalization: FULL', 'normalization: VALID', 'normalization: BATCH_SIZE',
         'normalization: NONE']


def text(axis=1, ignore=None, mode='', source='', tops=1):
    ignoring = '' if ignore is None else f'ignore_label: {ignore}'
    given = f'source: "{source}"' if source else ''
    return (f'type: "InfogainLoss" infogain_loss_param {{ axis: {axis} {given} }} '
            f'loss_param {{ {mode} {ignoring} }}' + ' top: "t"' * tops)


def plain(x, label, matrix, axis, ignore, mode):
    """Loss and gradient, one position at a time."""
    moved = np.moveaxis(x, axis, -1)
    grads, total, valid = [], 0.0, 0
    for row, want in zip(moved.reshape(-1, x.shape[axis]), label.reshape(-1).astype(int),
                         strict=True):
        p = np.exp(row) / np.exp(row).sum()
        if want == ignore:
            grads.append(0 * p)
            continue
        total -= (matrix[want] * np.log(np.maximum(p, 1e-20))).sum()
        grads.append(p * matrix[want].sum() - matrix[want])
        valid += 1
    divisor = max(1, {'': valid, 'FULL': label.size, 'VALID': valid, 'NONE': 1,
                      'BATCH_SIZE': int(np.prod(x.shape[:axis]))}[mode.split(': ')[-1]])
    return (total / divisor,
            np.moveaxis(np.array(grads).reshape(moved.shape), -1, axis) / divisor)


@pytest.mark.parametrize('mode', MODES)
@pytest.mark.parametrize('seed', range(4))
def test_equals_loops(drive, tmp_path, mode, seed):
    r = np.random.RandomState(seed)
    shape = tuple(r.randint(2, 5, r.randint(2, 5)))
    axis, ignore = r.randint(1, len(shape)), [None, 255][seed % 2]
    classes = shape[axis]
    x, matrix = r.randn(*shape), r.uniform(-1, 1, (classes, classes)).astype('f')
    label = r.randint(0, classes, shape[:axis] + shape[axis + 1:]).astype('d')
    if ignore is not None:
        label[r.uniform(size=label.shape) < 0.4] = ignore
    path, bottoms = '', [x, label]
    if seed < 2:
        path = tmp_path / 'h.binaryproto'
        write_binary(path, array_blob(matrix.reshape(1, 1, classes, classes)))
    else:
        bottoms.append(matrix)
    given = axis - len(shape) if seed % 2 else axis
    driven = drive(text(given, ignore, mode, path, 2), bottoms)
    loss, slope = plain(x, label, matrix, axis, ignore, mode)
    found, prob = driven.forward()
    np.testing.assert_allclose(found, loss, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(prob.sum(axis), 1, rtol=1e-5)
    driven.backward([np.array(2.0), prob], [True, False, False][:len(bottoms)])
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), 2 * slope, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('mode', MODES)
def test_gradient(check_gradient, mode):
    r = np.random.RandomState(10)
    label = r.randint(0, 3, (2, 2)).astype('d')
    label[0, 0] = 255
    check_gradient(text(1, 255, mode), [r.randn(2, 3, 2), label, r.uniform(0, 1, (3, 3))],
                   propagate=[True, False, False])


def test_refusals(drive):
    x, label, matrix = np.zeros((2, 3)), np.zeros(2), np.eye(3)
    with pytest.raises(ValueError, match='infogain matrix is missing'):
        drive(text(), [x, label])
    with pytest.raises(ValueError, match='`normalization`: VALID'):
        drive(text(mode='normalize: true'), [x, label, matrix])
    with pytest.raises(ValueError, match='holds 4 values; expected classes x classes, 3 x 3'):
        drive(text(), [x, label, np.eye(2)]).forward()
    driven = drive(text(), [x, label, matrix])
    driven.forward()
    for asked, said in [([True, True, False], 'label inputs'), ([True, False, True], 'matrix')]:
        with pytest.raises(ValueError, match=f'cannot backpropagate to .*{said}'):
            driven.backward([np.array(1.0)], asked)
