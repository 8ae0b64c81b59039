"""Im2col against a plain transcription and central differences."""

from itertools import product

import numpy as np
import pytest


def plain(x: np.ndarray, kernel, stride, pad, dilation) -> np.ndarray:
    """Read each entry from the image, zero outside: channel, then kernel place, then slide."""
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    out = [int((n + 2 * p - e) / s) + 1
           for n, p, e, s in zip(x.shape[2:], pad, reach, stride, strict=True)]
    y = np.zeros((x.shape[0], x.shape[1], *kernel, *out))
    for n, c in np.ndindex(x.shape[:2]):
        for place, slide in product(np.ndindex(*kernel), np.ndindex(*out)):
            at = [i * s - p + k * d for i, s, p, k, d
                  in zip(slide, stride, pad, place, dilation, strict=True)]
            if all(0 <= i < size for i, size in zip(at, x.shape[2:], strict=True)):
                y[(n, c, *place, *slide)] = x[(n, c, *at)]
    return y.reshape(x.shape[0], -1, *out)


def sample(seed: int) -> tuple[str, np.ndarray, list]:
    r = np.random.RandomState(seed)
    axes = r.randint(1, 4)
    geometry = r.randint(1, 4, (4, axes)) - [[0], [0], [1], [0]]
    kernel, _, pad, dilation = geometry
    sizes = np.maximum(1, dilation * (kernel - 1) + 1 - 2 * pad + r.randint(0, 4, axes))
    fields = zip(('kernel_size', 'stride', 'pad', 'dilation'), geometry, strict=True)
    text = ' '.join(f'{f}: {n}' for f, ns in fields for n in ns)
    return text, r.standard_normal((2, 2, *sizes)), list(geometry)


@pytest.mark.parametrize('seed', range(12))
def test_equals_the_definition(drive, seed):
    text, x, geometry = sample(seed)
    (y,) = drive(f'type: "Im2col" convolution_param {{ {text} }}', [x]).forward()
    assert np.array_equal(y, plain(x, *geometry).astype('float32'))


@pytest.mark.parametrize('seed', range(12, 16))
def test_gradient(check_gradient, seed):
    text, x, _ = sample(seed)
    check_gradient(f'type: "Im2col" convolution_param {{ {text} }}', [x[:1]])


def test_axis_and_overhang(drive, check_gradient):
    """A kernel of 5 over 4 with stride 2 slides once in C++, and reads zeros past the end."""
    held = 'type: "Im2col" convolution_param { axis: -3 kernel_size: 5 stride: 2 pad: 0 }'
    x = np.random.RandomState(0).standard_normal((2, 1, 2, 4, 6))
    (y,) = drive(held, [x]).forward()
    expected = plain(x[:, 0], (5, 5), (2, 2), (0, 0), (1, 1)).astype('float32')
    assert y.shape == (2, 1, 50, 1, 1)
    assert np.array_equal(y[:, 0], expected)
    check_gradient(held, [x])


def test_checks(drive):
    with pytest.raises(ValueError, match='has no axis after the channel axis'):
        drive('type: "Im2col" convolution_param { kernel_size: 2 }', [np.zeros((2, 3))])
    with pytest.raises(ValueError, match='smaller than the kernel'):
        drive('type: "Im2col" convolution_param { kernel_size: 4 }',
              [np.zeros((1, 1, 3, 3))]).forward()
