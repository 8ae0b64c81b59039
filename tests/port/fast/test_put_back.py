"""Upsample of any places, and of those of 2 x 2 maxima, which kernels put back."""

import pytest
import torch

from netspec.schema.messages import TRAIN
from port.fast.inference import FastNet
from port.fast.kernels import calls, max_unpooling
from port.fast.training import FastTraining
from port.fast.unsuited import Unsuited

from .small import conv, layer, loss, make, source

SIZES = ((8, 8), (7, 9), (2, 1))
UP = layer('Upsample', ['p', 'm'], 'u', 'upsample_param { scale: 2 %s }')


def pool(more: str = 'kernel_size: 2 stride: 2') -> str:
    return layer('Pooling', 'a', 'p', f'top: "m" pooling_param {{ {more} }}')


def odd(size: tuple[int, int]) -> str:
    """What Upsample must be told of an image that was odd."""
    return ' '.join(f'pad_out_{side}: true' for side, n in zip('hw', size, strict=True) if n % 2)


@pytest.fixture
def put(monkeypatch) -> list[tuple]:
    """The sizes of the images that the kernel has put values back into."""
    sizes, put_back = [], max_unpooling.put_back
    monkeypatch.setattr(max_unpooling, 'put_back', lambda values, places, size: (
        sizes.append(size), put_back(values, places, size))[1])
    return sizes


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('channels', [16, 5])
def test_places_of_2_x_2_maxima(put, channels: int, size: tuple[int, int]) -> None:
    net = make(source('x', 2, 3, *size) + conv('x', 'a', channels, 1) + pool() + UP % odd(size)
               + conv('u', 'y', 4, 3, 'pad: 1'))
    x = torch.randn(2, 3, *size)
    wanted = net.forward(x=x)['y'].clone()
    for kernels in (True, False):
        put.clear()
        found = FastNet(net, kernels=kernels)(x=x)['y']
        assert (found - wanted).abs().max() <= 1e-5 * wanted.abs().max()
        assert put == ([size] if kernels and calls.available() and channels == 16 else [])


@pytest.mark.parametrize('window', ['kernel_size: 2 stride: 2 round_mode: FLOOR',
                                    'kernel_size: 3 stride: 2', 'kernel_size: 2 stride: 2 pad: 1'])
def test_other_places(put, window: str) -> None:
    net = make(source('x', 1, 16, 7, 7) + layer('ReLU', 'x', 'a') + pool(window) + layer(
        'Upsample', ['p', 'm'], 'u', 'upsample_param { upsample_h: 7 upsample_w: 7 }'))
    x = torch.randn(1, 16, 7, 7)
    wanted = net.forward(x=x)['u'].clone()
    assert torch.equal(FastNet(net)(x=x)['u'], wanted) and not put


def test_places_that_are_read_alone_or_come_in_as_data() -> None:
    x = torch.randn(1, 16, 8, 8)
    net = make(source('x', 1, 16, 8, 8) + layer('ReLU', 'x', 'a') + pool())
    wanted = {name: y.clone() for name, y in net.forward(x=x).items()}
    found = FastNet(net, ['m'])(x=x)
    assert torch.equal(found['m'], wanted['m'])
    given = make(source('p', 1, 16, 4, 4) + source('m', 1, 16, 4, 4) + UP % '')
    arrays = {'p': wanted['p'], 'm': wanted['m']}
    assert torch.equal(FastNet(given)(**arrays)['u'], given.forward(**arrays)['u'])


@pytest.mark.parametrize('value,kernels', [(float('inf'), True), (float('inf'), False),
                                           (float('-inf'), True), (float('-inf'), False),
                                           (float('nan'), False)])
def test_places_of_what_is_no_number(value: float, kernels: bool) -> None:
    """A window that is so as a whole, and one value in another."""
    same = layer('ReLU', 'x', 'a', 'relu_param { negative_slope: 1 }')
    net = make(source('x', 1, 16, 6, 6) + same + pool())
    x = torch.randn(1, 16, 6, 6)
    x[0, :, :2, :2] = x[0, :, 2, 2] = value
    wanted = {name: y.clone() for name, y in net.forward(x=x).items()}
    found = FastNet(net, ['p', 'm'], kernels=kernels)(x=x)
    for name in 'pm':
        assert torch.equal(found[name].nan_to_num(7), wanted[name].nan_to_num(7)), name


def test_an_image_of_another_size_is_left_to_the_plain_engine() -> None:
    net = make(source('x', 1, 16, 8, 8) + layer('ReLU', 'x', 'a') + pool() + UP % '')
    fast, x = FastNet(net), torch.randn(1, 16, 7, 8)
    assert fast(x=torch.randn(1, 16, 6, 8))['u'].shape == (1, 16, 6, 8)
    with pytest.raises(Unsuited, match="'to_u_Upsample': makes .8, 8. .* pooled from .7"):
        fast(x=x)


@pytest.mark.parametrize('kernels', [True, False])
@pytest.mark.parametrize('window', ['kernel_size: 2 stride: 2', 'kernel_size: 3 stride: 2'])
def test_gradients(monkeypatch, put, kernels: bool, window: str) -> None:
    if not kernels:
        monkeypatch.setattr(calls, 'libraries', dict)
    net = make(source('x', 2, 3, 8, 8) + source('l', 2, 1, 8, 8)
               + conv('x', 'a', 16, 3, 'pad: 1') + pool(window)
               + UP % '' + conv('u', 's', 4, 1) + loss('s', 'l', 'one'), TRAIN)
    net.feed(x=torch.randn(2, 3, 8, 8), l=torch.randint(0, 4, (2, 1, 8, 8)))
    net.run_forward()
    net.backward()
    wanted = [row.blob.diff.clone() for row in net.learnable]
    net.clear_param_diffs()
    FastTraining(net)()
    for row, gradient in zip(net.learnable, wanted, strict=True):
        assert (row.blob.diff - gradient).abs().max() <= 1e-5 * gradient.abs().max(), row.layer
    by_kernels = kernels and calls.available() and 'size: 2' in window
    assert len(put) == 2 * by_kernels              # the values, and the gradient of the maxima
