"""Upsample against a plain loop over the mask, and back through the pooling that made it."""

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from port.engine.net import Net

SCALE = 'type: "Upsample" upsample_param { scale: 2 }'


def plain(x, mask, height, width):
    """Put every value where its mask says, one at a time."""
    out = np.zeros((*x.shape[:2], height * width))
    for n, c, i, j in np.ndindex(x.shape):
        out[n, c, int(mask[n, c, i, j])] = x[n, c, i, j]
    return out.reshape(*x.shape[:2], height, width)


def pooled(height, width, seed=0):
    """Values and the mask of a 2 x 2 pooling of a height x width image."""
    r = np.random.RandomState(seed)
    rows, columns = -(-height // 2), -(-width // 2)
    i, j = np.mgrid[:rows, :columns]
    y = np.minimum(2 * i + r.randint(0, 2, (2, 3, rows, columns)), height - 1)
    x = np.minimum(2 * j + r.randint(0, 2, (2, 3, rows, columns)), width - 1)
    return r.uniform(-1, 1, (2, 3, rows, columns)), (y * width + x).astype('d')


@pytest.mark.parametrize(('text', 'size'), [
    ('scale: 2', (6, 4)), ('scale: 2 pad_out_h: true', (5, 4)),
    ('scale: 2 pad_out_h: true pad_out_w: true', (5, 3)), ('', (4, 4)),
    ('scale_h: 2 scale_w: 2 pad_out_w: true', (4, 7)), ('upsample_h: 5 upsample_w: 6', (5, 6))])
def test_equals_a_loop_over_the_mask(drive, check_gradient, text, size):
    x, mask = pooled(*size)
    text = f'type: "Upsample" upsample_param {{ {text} }}'
    (top,) = drive(text, [x, mask], dtype=torch.float64).forward()
    assert np.array_equal(top, plain(x, mask, *size))
    check_gradient(text, [x, mask], propagate=[True, False])


def test_scales_of_three(drive):
    x, mask = np.array([[[[5.0, 7.0]]]]), np.array([[[[4.0, 17.0]]]])
    (top,) = drive('type: "Upsample" upsample_param { scale_h: 3 scale_w: 4 }', [x, mask]).forward()
    assert top.shape == (1, 1, 3, 8) and top.sum() == 12
    assert top[0, 0, 0, 4] == 5 and top[0, 0, 2, 1] == 7


def test_undoes_the_pooling_that_made_its_mask():
    net = Net(parse_net('''
        layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 2, 5, 6] } } }
        layer { name: "pool" type: "Pooling" bottom: "x" top: "pool" top: "mask"
                pooling_param { pool: MAX kernel_size: 2 stride: 2 } }
        layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up"
                upsample_param { scale: 2 pad_out_h: true } }'''))
    x = np.random.RandomState(1).uniform(0, 1, (1, 2, 5, 6))
    up = net.forward(x=x)['up'].numpy()
    assert up.shape == x.shape
    kept = up > 0
    assert kept.sum() == 2 * 3 * 3 and np.allclose(up[kept], x[kept])


@pytest.mark.parametrize(('text', 'message'), [
    ('upsample_h: 4', 'go together'), ('scale: 3 pad_out_h: true', 'need scale 2'),
    ('scale: 1', 'expected 2 or more'), ('scale: 2 scale_h: 2 scale_w: 2', 'not as a mixture'),
    ('scale_h: 2', 'not as a mixture')])
def test_refuses_sizes_that_say_nothing(drive, text, message):
    with pytest.raises(ValueError, match=message):
        drive(f'type: "Upsample" upsample_param {{ {text} }}', list(pooled(4, 4)))


def test_refuses_a_mask_of_another_size(drive):
    x, mask = pooled(8, 8)
    mask[0, 0, 3, 3] = 64
    with pytest.raises(ValueError, match='place 64 of an image of 8 x 8'):
        drive(SCALE, [x, mask]).forward()
    with pytest.raises(ValueError, match='same 4 axes'):
        drive(SCALE, [x, mask[:, :, :2]]).forward()
