"""Convolution against Caffe's recorded numbers, a plain transcription, and central differences."""

from itertools import product

import numpy as np
import pytest
import torch

CASES = ['conv_11x11_stride4_pad100', 'conv_1x1', 'conv_3x3_pad1', 'conv_7x7_fc6',
         'conv_dilation12', 'conv_group2', 'conv_hw_rect', 'conv_no_bias', 'conv_pad100',
         'conv_repeated_fields']
FLOAT32 = 1e-4   # a few thousand float32 products summed in another order


@pytest.mark.parametrize('name', CASES)
def test_caffe_recorded(recorded, name):
    recorded(name)


def plain(x: np.ndarray, w: np.ndarray, b: np.ndarray, stride, pad, dilation, group) -> np.ndarray:
    """Convolve by the definition: one product of a window and the weights for each output."""
    kernel = w.shape[2:]
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    out = [int((n + 2 * p - e) / s) + 1
           for n, p, e, s in zip(x.shape[2:], pad, reach, stride, strict=True)]
    room = np.pad(x, [(0, 0), (0, 0), *((p, p + e) for p, e in zip(pad, reach, strict=True))])
    y = np.zeros((x.shape[0], w.shape[0], *out))
    rows, columns = w.shape[0] // group, w.shape[1]
    for g, place in product(range(group), product(*map(range, out))):
        cut = tuple(slice(i * s, i * s + e, d)
                    for i, s, e, d in zip(place, stride, reach, dilation, strict=True))
        seen = room[(slice(None), slice(g * columns, (g + 1) * columns), *cut)]
        weights = w[g * rows:(g + 1) * rows]
        y[(slice(None), slice(g * rows, (g + 1) * rows), *place)] = (
            seen.reshape(len(x), 1, -1) * weights.reshape(1, rows, -1)).sum(-1)
    return y + b.reshape(-1, *[1] * len(out))


def sample(seed: int) -> tuple[str, tuple[int, ...], dict]:
    """Draw a layer: its text, the bottom's shape and its geometry."""
    r = np.random.RandomState(seed)
    axes, group = r.randint(1, 4), r.randint(1, 4)
    geometry = {'kernel_size': r.randint(1, 4, axes), 'stride': r.randint(1, 4, axes),
                'pad': r.randint(0, 4, axes), 'dilation': r.randint(1, 4, axes)}
    sizes = [max(1, d * (k - 1) + 1 - 2 * p + r.randint(0, 5)) for k, p, d in zip(
        geometry['kernel_size'], geometry['pad'], geometry['dilation'], strict=True)]
    fields = ' '.join(f'{f}: {n}' for f, ns in geometry.items() for n in ns)
    outputs = group * r.randint(1, 4)
    text = (f'type: "Convolution" convolution_param {{ {fields} num_output: {outputs} '
            f'group: {group} force_nd_im2col: {str(bool(r.randint(2))).lower()} '
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


def text(options: str, bias: bool = True) -> str:
    return (f'type: "Convolution" convolution_param {{ {options} bias_term: {str(bias).lower()} '
            'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 } }')


@pytest.mark.parametrize('size, stride', [(4, 2), (3, 3)])
def test_a_bottom_just_short_of_the_kernel_gives_one_output(drive, check_gradient, size, stride):
    """C++ divides towards zero: (4 - 5) / 2 + 1 is 1, and the window reads zeros past the end."""
    held = text(f'num_output: 2 kernel_size: 5 stride: {stride}')
    x = np.random.RandomState(0).standard_normal((1, 2, size, 6))
    driven = drive(held, [x])
    w, b = (blob.data.numpy() for blob in driven.layer.blobs)
    (y,) = driven.forward()
    np.testing.assert_allclose(y, plain(x, w, b, (stride,) * 2, (0, 0), (1, 1), 1), atol=FLOAT32)
    check_gradient(held, [x])


@pytest.mark.parametrize('axis, shape', [(0, (3, 5, 4)), (2, (2, 2, 3, 5, 4)), (-3, (2, 3, 5, 4)),
                                         (1, (4, 3))])
def test_axis_folds_what_stands_before_it_into_the_batch(drive, check_gradient, axis, shape):
    held = text(f'num_output: 2 axis: {axis} kernel_size: 2')
    x = np.random.RandomState(1).standard_normal(shape)
    driven = drive(held, [x])
    w, b = (blob.data.numpy() for blob in driven.layer.blobs)
    at = axis % len(shape)
    spatial = shape[at + 1:]
    expected = plain(x.reshape(-1, *shape[at:], *(() if spatial else (1,))),
                     w if spatial else w[..., None], b, (1, 1), (0, 0), (1, 1),
                     1) if len(spatial) == 2 else np.einsum('nc,oc->no', x, w) + b
    (y,) = driven.forward()
    assert y.shape == (*shape[:at], 2, *(n - 1 for n in spatial))
    np.testing.assert_allclose(y.reshape(expected.shape), expected, atol=FLOAT32)
    check_gradient(held, [x])


def test_bottoms_share_the_weights_and_their_gradients_add_up(check_gradient):
    r = np.random.RandomState(2)
    held = 'top: "a" top: "b" ' + text('num_output: 3 kernel_size: 3 pad: 1')
    driven = check_gradient(held, [r.standard_normal((2, 2, 4, 4)) for _ in range(2)])
    assert len(driven.layer.blobs) == 2


@pytest.mark.parametrize('params', [[False, False], [True, False], [False, True]])
def test_only_what_is_asked_for_is_computed(check_gradient, params):
    x = np.random.RandomState(3).standard_normal((1, 2, 5, 5))
    held = 'top: "a" top: "b" ' + text('num_output: 2 kernel_size: 3')
    driven = check_gradient(held, [x, x + 1], params=params, propagate=[False, True])
    for blob, asked in zip(driven.layer.blobs, params, strict=True):
        assert blob.diff.any() == asked
    assert not driven.bottom[0].diff.any()


@pytest.mark.parametrize('shape, options, words', [
    ((1, 3, 5, 5), 'kernel_size: 3', 'num_output'),
    ((1, 3, 5, 5), 'kernel_size: 3 num_output: 4 group: 2', 'group 2 must divide'),
    ((1, 3, 5, 5), 'kernel_size: 3 num_output: 4 axis: 4', 'axis 4 is out of range'),
    ((1, 3, 2, 2, 2, 2), 'kernel_size: 1 num_output: 4', 'at most 3'),
    ((1, 3, 2, 5), 'kernel_size: 3 num_output: 4', 'smaller than the kernel'),
])
def test_checks(drive, shape, options, words):
    with pytest.raises(ValueError, match=words):
        drive(text(options), [np.zeros(shape)]).forward()


def test_bottoms_of_other_shapes_are_refused(drive):
    held = 'top: "a" top: "b" ' + text('num_output: 2 kernel_size: 3')
    with pytest.raises(ValueError, match='must have the same shape'):
        drive(held, [np.zeros((1, 2, 5, 5)), np.zeros((1, 2, 5, 6))]).forward()
    driven = drive(text('num_output: 2 kernel_size: 3'), [np.zeros((1, 2, 5, 5))])
    driven.bottom[0].reshape(1, 3, 5, 5)
    with pytest.raises(ValueError, match='has 3 channels; the kernel is for 2'):
        driven.layer.reshape(driven.bottom, driven.top)


def test_carried_params_of_another_number_are_refused(drive):
    held = text('num_output: 2 kernel_size: 3', bias=False) + ' blobs { data: 1 } blobs { data: 1 }'
    with pytest.raises(ValueError, match=r'carries 2 param blob\(s\); expected 1'):
        drive(held, [np.zeros((1, 2, 5, 5))])


def test_a_stride_beyond_the_image_is_as_good_as_the_image(drive):
    """torch's own backward pass ends by a signal at a stride of 2^31 - 1."""
    x, found = np.random.default_rng(4).normal(size=(2, 3, 8, 9)), []
    for stride in (9, 10 ** 5, 2 ** 31 - 1):
        torch.manual_seed(1)
        driven = drive(text(f'num_output: 3 kernel_size: 2 stride: {stride}'), [x])
        tops = driven.forward()
        driven.backward([np.ones((2, 3, 1, 1))])
        found.append([torch.tensor(tops[0]), driven.bottom[0].diff, driven.layer.blobs[0].diff])
    for one in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(one, found[0], strict=True))
    with pytest.raises(ValueError, match='expected at most 1,048,576 on an image of'):
        drive(text('num_output: 1 kernel_size: 1 stride: 2000000000 pad: 2000000000'),
              [x]).forward()
