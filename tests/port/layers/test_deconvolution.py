"""Deconvolution against Caffe's recorded numbers, a plain transcription, and differences."""

from itertools import product

import numpy as np
import pytest
import torch

from netspec.schema.messages import TEST

CASES = ['deconv_bilinear_filler', 'deconv_k16s8_group', 'deconv_k4s2', 'deconv_k63s32',
         'deconv_k64s32', 'deconv_pad_bias']
FLOAT32 = 1e-4   # a few thousand float32 products summed in another order


@pytest.mark.parametrize('name', CASES)
def test_caffe_recorded(recorded, name):
    recorded(name)


def plain(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride, pad, dilation, group) -> np.ndarray:
    """Add each input times its kernel to where the kernel lies, then cut the padding away."""
    reach = [d * (k - 1) + 1 for k, d in zip(w.shape[2:], dilation, strict=True)]
    full = [s * (n - 1) + e for n, s, e in zip(x.shape[2:], stride, reach, strict=True)]
    outputs, columns = w.shape[1], x.shape[1] // group
    y = np.zeros((x.shape[0], outputs * group, *full))
    for c, place in product(range(x.shape[1]), product(*map(range, x.shape[2:]))):
        first = c // columns * outputs
        cut = tuple(slice(i * s, i * s + e, d)
                    for i, s, e, d in zip(place, stride, reach, dilation, strict=True))
        y[(slice(None), slice(first, first + outputs), *cut)] += np.multiply.outer(
            x[(slice(None), c, *place)], w[c])
    keep = tuple(slice(p, n - p) for p, n in zip(pad, full, strict=True))
    return y[(slice(None), slice(None), *keep)] + b.reshape(-1, *[1] * len(full))


def sample(seed: int) -> tuple[str, tuple[int, ...], dict]:
    """Draw a layer: its text, the bottom's shape and its geometry."""
    r = np.random.RandomState(seed)
    axes, group = r.randint(1, 4), r.randint(1, 4)
    geometry = {'kernel_size': r.randint(1, 5, axes), 'stride': r.randint(1, 4, axes),
                'pad': r.randint(0, 3, axes), 'dilation': r.randint(1, 3, axes)}
    sizes = []
    for k, s, p, d in zip(*geometry.values(), strict=True):
        fewest = max(0, -(-(2 * p - d * (k - 1)) // s)) + 1     # leaves at least one output
        sizes.append(fewest + r.randint(0, 3))
    fields = ' '.join(f'{f}: {n}' for f, ns in geometry.items() for n in ns)
    text = (f'type: "Deconvolution" convolution_param {{ {fields} group: {group} '
            f'num_output: {group * r.randint(1, 4)} '
            'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } }')
    return text, (r.randint(1, 3), group * r.randint(1, 3), *sizes), {**geometry, 'group': group}


@pytest.mark.parametrize('seed', range(20))
def test_equals_the_definition(drive, seed):
    text, shape, geometry = sample(seed)
    x = np.random.RandomState(seed).standard_normal(shape)
    driven = drive(text, [x])
    w, b = (blob.data.numpy() for blob in driven.layer.blobs)
    expected = plain(x, w, b, geometry['stride'], geometry['pad'], geometry['dilation'],
                     geometry['group'])
    (y,) = driven.forward()
    assert y.shape == expected.shape
    np.testing.assert_allclose(y, expected, atol=FLOAT32)


@pytest.mark.parametrize('seed', range(20, 28))
def test_gradient(check_gradient, seed):
    text, shape, _ = sample(seed)
    check_gradient(text, [np.random.RandomState(seed).standard_normal(shape)])


def text(options: str, bias: bool = False) -> str:
    return (f'type: "Deconvolution" convolution_param {{ {options} '
            f'bias_term: {str(bias).lower()} weight_filler {{ type: "gaussian" std: 1 }} '
            'bias_filler { type: "gaussian" std: 1 } }')


def diagonal(channels: int, kernel: int, seed: int) -> np.ndarray:
    w = np.zeros((channels, channels, kernel, kernel))
    w[range(channels), range(channels)] = np.random.RandomState(seed).standard_normal(
        (channels, kernel, kernel))
    return w


@pytest.mark.parametrize('kernel, stride, pad', [(4, 2, 0), (5, 3, 1), (3, 1, 2)])
@pytest.mark.parametrize('bias', [False, True])
def test_fixed_diagonal_weights_give_the_dense_result(drive, check_gradient, kernel, stride, pad,
                                                      bias):
    held = text(f'num_output: 3 kernel_size: {kernel} stride: {stride} pad: {pad}', bias)
    x, w = np.random.RandomState(4).standard_normal((2, 3, 4, 5)), diagonal(3, kernel, 4)
    driven = drive(held, [x], TEST, torch.float64)
    driven.layer.blobs[0].data = torch.tensor(w)
    b = driven.layer.blobs[1].data.numpy() if bias else np.zeros(3)
    expected = plain(x, w, b, (stride,) * 2, (pad,) * 2, (1, 1), 1)
    driven.layer.param_propagate_down = [False, bias][:1 + bias]
    assert driven.layer.per_channel(driven.layer.blobs[0].data)
    (y,) = driven.forward()
    np.testing.assert_allclose(y, expected, atol=1e-12)
    diff = np.random.RandomState(5).standard_normal(y.shape)
    driven.backward([diff])
    alone = driven.bottom[0].diff.clone()
    driven.layer.per_channel = lambda weight: False
    driven.backward([diff])
    np.testing.assert_allclose(alone.numpy(), driven.bottom[0].diff.numpy(), atol=1e-12)


def test_weights_that_numpy_wrote_are_seen(drive):
    x = np.random.RandomState(6).standard_normal((1, 3, 4, 4))
    driven = drive(text('num_output: 3 kernel_size: 4 stride: 2'), [x], TEST)
    driven.layer.blobs[0].data = torch.tensor(diagonal(3, 4, 6)).float()
    driven.forward()
    w = driven.layer.blobs[0].face().data
    w[0, 1] = 1
    (y,) = driven.forward()
    np.testing.assert_allclose(y, plain(x, w, np.zeros(3), (2, 2), (0, 0), (1, 1), 1),
                               atol=FLOAT32)


def test_diagonal_weights_that_are_asked_for_a_gradient_get_the_whole_one(check_gradient):
    """The kernels between channels are zero, their slopes are not."""
    held = ('phase: TEST type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 2 '
            'stride: 2 weight_filler { type: "constant" value: 0 } }')
    x = np.random.RandomState(7).standard_normal((1, 2, 3, 3))
    driven = check_gradient(held, [x], phase=TEST)
    assert driven.layer.blobs[0].diff.all()


def test_fixed_weights_get_no_gradient(check_gradient):
    x = np.random.RandomState(8).standard_normal((1, 2, 3, 3))
    driven = check_gradient(text('num_output: 2 kernel_size: 4 stride: 2'), [x], params=False)
    assert not driven.layer.blobs[0].diff.any()


def test_padding_that_leaves_nothing_is_refused(drive):
    with pytest.raises(ValueError, match=r'gives a top of \[-1, 0\].*padding \[2, 2\]'):
        drive(text('num_output: 1 kernel_size: 3 pad: 2'), [np.zeros((1, 1, 1, 2))]).forward()
