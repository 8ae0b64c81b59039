"""The C kernels against torch's convolution in double precision."""

import pytest
import torch
import torch.nn.functional as F

from port.fast.kernels import calls, winograd

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]
WINOGRAD = 1.5e-6           # of the largest output: rounding of float32


def channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(2)


@pytest.mark.parametrize('pool', [False, True])
@pytest.mark.parametrize('pad', [(1, 1), (0, 0), (1, 0), (2, 3)])
@pytest.mark.parametrize('shape', [(1, 32, 13, 18), (2, 64, 5, 4), (1, 16, 3, 61), (1, 160, 9, 13)])
def test_winograd(shape, pad, pool: bool) -> None:
    x, bias = channels_last(*shape), torch.randn(64)
    weight = torch.randn(64, shape[1], 3, 3)
    if not winograd.fits_winograd(weight):
        pytest.skip('channels that this machine does not take')
    plain = F.conv2d(F.pad(x.double(), (pad[1], pad[1], pad[0], pad[0])), weight.double(),
                     bias.double()).relu()
    size = tuple(plain.shape[2:])
    plain = F.max_pool2d(plain, 2, 2, ceil_mode=True) if pool else plain
    around = torch.full((shape[0], 64, plain.shape[2] + 3, plain.shape[3] + 2), -7.).contiguous(
        memory_format=torch.channels_last)
    y = around[:, :, 1:-2, 1:-1]
    winograd.winograd(x, pad, winograd.pack_winograd(weight), bias, True, pool, y, size)
    assert (y - plain).abs().max() <= WINOGRAD * plain.abs().max()
    y.fill_(-7)
    assert (around == -7).all(), 'wrote beside the output'


def test_winograd_without_bias_and_relu() -> None:
    x, weight = channels_last(1, 32, 9, 9), torch.randn(32, 32, 3, 3)
    y = torch.empty(1, 32, 9, 9, memory_format=torch.channels_last)
    winograd.winograd(x, (1, 1), winograd.pack_winograd(weight), None, False, False, y, (9, 9))
    plain = F.conv2d(x.double(), weight.double(), padding=1)
    assert plain.min() < 0
    assert (y - plain).abs().max() <= WINOGRAD * plain.abs().max()


def test_not_a_number_stays() -> None:
    x, weight = channels_last(1, 32, 8, 8), torch.randn(32, 32, 3, 3)
    x[0, 0, 4, 4] = float('nan')
    y = torch.empty(1, 32, 8, 8, memory_format=torch.channels_last)
    winograd.winograd(x, (1, 1), winograd.pack_winograd(weight), None, True, False, y, (8, 8))
    assert y[0, :, 3:6, 3:6].isnan().all()


@pytest.mark.parametrize('channels', [4, 32])
def test_weights_for_other_channels_are_refused(channels: int) -> None:
    """The kernel would read beside them."""
    x, y = channels_last(1, channels, 9, 9), channels_last(1, 64, 7, 7)
    with pytest.raises(ValueError, match=f'{channels} channels to 64'):
        winograd.winograd(x, (0, 0), winograd.pack_winograd(torch.randn(64, 64, 3, 3)), None, True,
                          False, y, (7, 7))


@pytest.mark.parametrize('shape,outputs,pad,step', [
    ((1, 32, 13, 18), 64, 1, 1), ((3, 64, 5, 4), 32, 1, 1), ((1, 16, 3, 61), 32, 0, 1),
    ((2, 32, 21, 20), 32, 4, 4), ((1, 16, 90, 70), 32, 2, 1)])
def test_gradient_of_the_weights(shape, outputs: int, pad: int, step: int, monkeypatch) -> None:
    """Also where tiles are more than fit at a time, the last time fewer."""
    monkeypatch.setattr(winograd, 'TOGETHER', 0)
    x, weight = channels_last(*shape), torch.zeros(outputs, shape[1], 3, 3)
    if not winograd.fits_winograd(weight):
        pytest.skip('channels that this machine does not take')
    dy = channels_last(*F.conv2d(x, weight, padding=pad, dilation=step).shape)
    plain = torch.nn.grad.conv2d_weight(x.double(), weight.shape, dy.double(), padding=pad,
                                        dilation=step)
    found = winograd.weight_gradient(dy, x, (pad, pad), step)
    assert (found - plain).abs().max() <= WINOGRAD * plain.abs().max()


def test_gradient_of_the_weights_from_a_cut_plane() -> None:
    """A bottom's gradient may be a part of a larger plane, as where margins are blank."""
    whole, x = channels_last(1, 64, 12, 15), channels_last(1, 32, 9, 10)
    dy = whole[:, :, 2:11, 3:13]
    plain = torch.nn.grad.conv2d_weight(x.double(), (64, 32, 3, 3), dy.double(), padding=1)
    found = winograd.weight_gradient(dy, x, (1, 1))
    assert (found - plain).abs().max() <= WINOGRAD * plain.abs().max()
