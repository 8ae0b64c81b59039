"""Pooling against Caffe's recorded numbers, a plain transcription, and central differences."""

from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from netspec.schema.messages import TEST, TRAIN

CASES = ['pool_ave_global', 'pool_ave_k2s2_odd', 'pool_ave_k3s1p1', 'pool_ave_k3s2p1',
         'pool_floor_mode', 'pool_max_clip', 'pool_max_k2s2_odd', 'pool_max_k3s1p1',
         'pool_max_k3s2', 'pool_max_k3s2p1', 'pool_max_two_tops']
GOLDEN = Path(__file__).parents[2] / 'golden'
LOWEST = float(np.finfo('float32').min)
FLOAT32 = 1e-5   # sums of some dozen float32 numbers in another order


@pytest.mark.parametrize('name', CASES)
def test_caffe_recorded(recorded, name):
    recorded(name)


def count(size: int, kernel: int, stride: int, pad: int, padded: bool, ceil: bool) -> int:
    out = int((np.ceil if ceil else np.floor)((size + 2 * pad - kernel) / stride)) + 1
    return out - 1 if padded and (out - 1) * stride >= size + pad else out


def plain(x: np.ndarray, method: str, kernel, stride, pad, ceil: bool,
          dilation=(1, 1)) -> tuple:
    """Walk every window; return the top, the place of the maxima, and d sum(top weights) / dx."""
    sizes = x.shape[2:]
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilation, strict=True)]
    out = [count(*numbers, any(pad), ceil)
           for numbers in zip(sizes, reach, stride, pad, strict=True)]
    y, mask = np.full((*x.shape[:2], *out), LOWEST), np.full((*x.shape[:2], *out), -1)
    weights, diff = np.random.RandomState(0).standard_normal(y.shape), np.zeros(x.shape)
    for n, c, oh, ow in np.ndindex(y.shape):
        spans, area = [], 1
        for o, k, s, p, size, d in zip((oh, ow), kernel, stride, pad, sizes, dilation,
                                       strict=True):
            places = [o * s - p + j * d for j in range(k) if o * s - p + j * d < size + p]
            area *= len(places)
            spans.append([i for i in places if 0 <= i < size])
        cells = [(n, c, h, w) for h, w in product(*spans)]
        if method == 'AVE':
            y[n, c, oh, ow] = sum(x[i] for i in cells) / area if area else np.nan
            for i in cells:
                diff[i] += weights[n, c, oh, ow] / area
            continue
        for i in cells:
            if x[i] > y[n, c, oh, ow]:
                y[n, c, oh, ow], mask[n, c, oh, ow] = x[i], i[2] * sizes[1] + i[3]
        if cells:
            diff[(n, c, *divmod(mask[n, c, oh, ow], sizes[1]))] += weights[n, c, oh, ow]
    return y, mask, weights, diff


def sample(seed: int) -> tuple[str, np.ndarray, dict]:
    r = np.random.RandomState(seed)
    kernel, stride = r.randint(1, 5, 2), r.randint(1, 5, 2)
    pad = r.randint(0, kernel) * r.randint(2)
    ceil = bool(r.randint(3))
    least = np.maximum(1, kernel - stride * ceil + ceil)     # leaves at least one output
    shape = (2, 2, *np.maximum(least, kernel + r.randint(-1, 6, 2)))
    x = r.standard_normal(shape) if r.randint(3) else r.randint(-1, 2, shape).astype(float)
    text = ('kernel_h: {} kernel_w: {} stride_h: {} stride_w: {} pad_h: {} pad_w: {} '
            .format(*kernel, *stride, *pad) + f'round_mode: {"CEIL" if ceil else "FLOOR"}')
    return text, x, {'kernel': kernel, 'stride': stride, 'pad': pad, 'ceil': ceil}


def equal(drive, method: str, text: str, x: np.ndarray, expected: tuple) -> None:
    """Hold tops and the bottom's gradient of a Pooling against what `plain` returned."""
    y, mask, weights, diff = expected
    tops = 'top: "y" top: "mask"' if method == 'MAX' else 'top: "y"'
    driven = drive(f'{tops} type: "Pooling" pooling_param {{ pool: {method} {text} }}', [x])
    found = driven.forward()
    np.testing.assert_allclose(found[0], y, atol=FLOAT32)
    if method == 'MAX':
        np.testing.assert_array_equal(found[1], mask)
    driven.backward([weights, np.ones(y.shape)][:len(found)])
    np.testing.assert_allclose(driven.bottom[0].diff.numpy(), diff, atol=FLOAT32)


@pytest.mark.parametrize('seed', range(40))
@pytest.mark.parametrize('method', ['MAX', 'AVE'])
def test_equals_the_definition(drive, method, seed):
    """Ties (integer inputs), clipped, overhanging and empty windows are among the samples."""
    text, x, geometry = sample(seed)
    equal(drive, method, text, x, plain(x, method, **geometry))


@pytest.mark.parametrize('seed', range(30))
@pytest.mark.parametrize('method', ['MAX', 'AVE'])
def test_windows_with_holes_equal_the_definition(drive, method, seed):
    """Our own field: rows and columns apart, padding up to how far a window reaches."""
    r = np.random.RandomState(seed)
    kernel, stride, dilation = r.randint(1, 4, 2), r.randint(1, 4, 2), r.randint(1, 5, 2)
    reach = dilation * (kernel - 1) + 1
    pad, ceil = r.randint(0, reach) * r.randint(2), bool(r.randint(2))
    shape = (2, 2, *(reach + r.randint(0, 7, 2)))
    x = r.standard_normal(shape) if r.randint(3) else r.randint(-1, 2, shape).astype(float)
    text = ('kernel_h: {} kernel_w: {} stride_h: {} stride_w: {} pad_h: {} pad_w: {} '
            'dilation: {} dilation: {} '.format(*kernel, *stride, *pad, *dilation)
            + f'round_mode: {"CEIL" if ceil else "FLOOR"}')
    equal(drive, method, text, x, plain(x, method, kernel, stride, pad, ceil, dilation))


@pytest.mark.parametrize('method', ['MAX', 'AVE'])
def test_gradient_of_windows_with_holes(check_gradient, method):
    x = np.random.RandomState(7).permutation(2 * 7 * 8).reshape(1, 2, 7, 8) / 10.   # no ties
    check_gradient(f'type: "Pooling" pooling_param {{ pool: {method} kernel_size: 3 stride: 2 '
                   'pad: 2 dilation: 2 }', [x])


@pytest.mark.parametrize('seed', range(40, 48))
@pytest.mark.parametrize('method', ['MAX', 'AVE'])
def test_gradient(check_gradient, method, seed):
    text, x, _ = sample(seed)
    x = np.random.RandomState(seed).permutation(x.size).reshape(x.shape) / 10.   # no ties
    check_gradient(f'type: "Pooling" pooling_param {{ pool: {method} {text} }}', [x])


@pytest.mark.parametrize('method', ['MAX', 'AVE'])
def test_global_pooling_follows_the_image(drive, check_gradient, method):
    held = f'type: "Pooling" pooling_param {{ pool: {method} global_pooling: true }}'
    x = np.random.RandomState(1).standard_normal((2, 3, 4, 5))
    driven = check_gradient(held, [x])
    reduce = x.max if method == 'MAX' else x.mean
    (y,) = driven.forward()
    np.testing.assert_allclose(y[..., 0, 0], reduce((2, 3)))
    driven.arrays[0] = x[..., :3, :2]
    (y,) = driven.forward()
    assert y.shape == (2, 3, 1, 1)


def test_the_kernel_may_be_larger_than_the_image(drive):
    x = np.arange(9.).reshape(1, 1, 3, 3)
    y = drive('type: "Pooling" pooling_param { kernel_size: 4 stride: 2 }', [x]).forward()[0]
    assert y.tolist() == [[[[8]]]]


def test_max_shows_nan(drive):
    """A net that diverged must show it; Caffe's comparisons pass over NaN."""
    x = np.array([[[[np.nan, 2.], [1., 3.]]]])
    y = drive('type: "Pooling" pooling_param { kernel_size: 1 }', [x]).forward()[0]
    assert np.array_equal(y, x, equal_nan=True)
    assert np.isnan(drive('type: "Pooling" pooling_param { kernel_size: 2 }', [x]).forward()[0])


# -- STOCHASTIC: Caffe has it on the GPU alone -----------------------------------------------------

STOCHASTIC = 'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 2 stride: 2 }'


def test_stochastic_in_test_phase_is_the_expected_value(drive):
    x = np.random.RandomState(2).uniform(0, 1, (2, 3, 5, 4))
    x[0, 0, :2, :2] = 0
    (y,) = drive(STOCHASTIC, [x], TEST).forward()
    for n, c, h, w in np.ndindex(y.shape):
        seen = x[n, c, 2 * h:2 * h + 2, 2 * w:2 * w + 2]
        mean = (seen ** 2).sum() / seen.sum() if seen.sum() else 0
        assert y[n, c, h, w] == pytest.approx(mean, rel=FLOAT32)


def test_stochastic_in_train_phase_picks_in_proportion(drive):
    x = np.tile([[1., 2.], [0., 5.]], (1, 8000, 1, 1)).reshape(1, 8000, 2, 2)
    driven = drive(STOCHASTIC, [x], TRAIN)
    (y,) = driven.forward()
    shares = [(y == value).mean() for value in (1, 2, 0, 5)]
    np.testing.assert_allclose(shares, [1 / 8, 2 / 8, 0, 5 / 8], atol=0.02)
    diff = np.random.RandomState(3).standard_normal(y.shape)
    driven.backward([diff])
    down = driven.bottom[0].diff.numpy()
    np.testing.assert_allclose(down.sum((2, 3)), diff[..., 0, 0], atol=FLOAT32)
    np.testing.assert_array_equal(x[down != 0], y[..., 0, 0].ravel())


@pytest.mark.parametrize('kernel, stride, size', [(3, 2, 6), (2, 1, 4), (2, 3, 6), (1, 3, 5)])
def test_stochastic_windows_at_the_border_pick_from_the_image(drive, kernel, stride, size):
    held = ('type: "Pooling" pooling_param { pool: STOCHASTIC '
            f'kernel_size: {kernel} stride: {stride} }}')
    x = np.random.RandomState(4).uniform(1, 2, (2, 2, size, size))
    driven = drive(held, [x], TRAIN)
    (y,) = driven.forward()
    out = y.shape[2]
    for n, c, h, w in np.ndindex(y.shape):
        seen = x[n, c, h * stride:h * stride + kernel, w * stride:w * stride + kernel]
        assert y[n, c, h, w] in seen.astype('float32') if seen.size else y[n, c, h, w] == 0
    driven.backward([np.ones(y.shape)])
    inside = sum(o * stride < size for o in range(out)) ** 2
    assert driven.bottom[0].diff.sum().item() == 4 * inside


def test_stochastic_for_given_random_numbers(drive, monkeypatch):
    """Recorded from Caffe's GPU kernels, compiled for a CPU: ties, zeros, clipped windows, too."""
    held = dict(np.load(GOLDEN / 'stochastic.npz'))
    cases = sorted({key.split(':')[0] for key in held}, key=int)
    assert len(cases) == 40
    for case in cases:
        window, x, uniform, top, topdiff, diff, mean = (held[f'{case}:{key}'] for key in (
            'window', 'x', 'uniform', 'top', 'topdiff', 'diff', 'mean'))
        options = zip(('kernel_h', 'kernel_w', 'stride_h', 'stride_w'), window, strict=True)
        text = ('type: "Pooling" pooling_param { pool: STOCHASTIC '
                + ' '.join(f'{name}: {n}' for name, n in options) + ' }')
        monkeypatch.setattr(torch, 'rand_like', lambda sums, u=uniform: torch.from_numpy(u))
        driven = drive(text, [x], TRAIN, torch.float32)
        np.testing.assert_array_equal(driven.forward()[0], top, case)
        driven.backward([topdiff])
        np.testing.assert_allclose(driven.bottom[0].diff.numpy(), diff, rtol=FLOAT32, atol=1e-7)
        expected = drive(text, [x], TEST, torch.float32).forward()[0]
        np.testing.assert_allclose(expected, mean, rtol=FLOAT32, err_msg=case)


def test_stochastic_has_no_backward_in_test_phase(drive):
    driven = drive(STOCHASTIC, [np.ones((1, 1, 2, 2))], TEST)
    driven.forward()
    with pytest.raises(ValueError, match='TRAIN phase only'):
        driven.backward([np.ones((1, 1, 1, 1))])


@pytest.mark.parametrize('options, words', [
    ('', 'kernel must be given'),
    ('kernel_h: 3', 'kernel must be given'),
    ('kernel_size: 2 kernel_h: 3 kernel_w: 3', 'not both'),
    ('kernel_size: 0', 'at least 1'),
    ('kernel_size: 2 global_pooling: true', 'no kernel may be given'),
    ('global_pooling: true stride: 2', 'only pad 0 and stride 1'),
    ('kernel_size: 2 pad: 2', 'must be smaller than the kernel'),
    ('kernel_size: 2 pad: 1 pad_h: 1', 'pad must be given as'),
    ('kernel_size: 2 stride_h: 1', 'stride must be given as'),
    ('kernel_size: 2 stride: 0', 'stride is'),
    ('kernel_size: 2 pad: 1 pool: STOCHASTIC', 'padding is for MAX and AVE'),
    ('kernel_size: 9', 'is too small for the kernel'),
])
def test_checks(drive, options, words):
    with pytest.raises(ValueError, match=words):
        drive(f'type: "Pooling" pooling_param {{ {options} }}', [np.zeros((1, 1, 4, 4))]).forward()


def test_four_axes_and_one_top_for_what_is_not_max(drive):
    with pytest.raises(ValueError, match='must have 4 axes'):
        drive('type: "Pooling" pooling_param { kernel_size: 2 }', [np.zeros((1, 4, 4))]).forward()
    with pytest.raises(ValueError, match='exactly 1 top'):
        drive('top: "a" top: "b" type: "Pooling" pooling_param { pool: AVE kernel_size: 2 }',
              [np.zeros((1, 1, 4, 4))])


def test_any_memory_layout_gives_the_same(drive):
    x = np.random.RandomState(5).standard_normal((2, 3, 6, 7))
    driven = drive('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 1 }', [x])
    (y,) = driven.forward()
    driven.bottom[0].data = torch.tensor(x).float().to(memory_format=torch.channels_last)
    driven.layer.forward(driven.bottom, driven.top)
    assert np.array_equal(driven.top[0].data.numpy(), y)
