"""Normalisation by the C kernels against torch in double precision."""

import pytest
import torch

from port.fast.kernels import batch_norm, calls

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]
CHANNELS = (16, 11, 64, 80)
EPS, FRACTION = 1e-5, 0.75


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(6)


def channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


def normalised(z: torch.Tensor, *scale: torch.Tensor, relu: bool = False):
    """Return y and what was done, and the statistics that began as 1, 2 and 3."""
    kept = [torch.full((z.shape[1],), 1.), torch.full((z.shape[1],), 2.), torch.tensor([3.])]
    return *batch_norm.normalise(z, scale, relu, EPS, kept, FRACTION), kept


@pytest.mark.parametrize('channels', CHANNELS)
def test_statistics_far_from_zero(channels: int) -> None:
    z = channels_last(2, channels, 24, 20) * 3 + 1000
    _, normal, (mean, variance, weight) = normalised(z)
    plain = z.double()
    wanted = plain.mean((0, 2, 3))
    assert torch.allclose(normal.by_channel[0], wanted, rtol=1e-9)
    assert torch.allclose(mean.double(), FRACTION + wanted, rtol=1e-6)
    assert torch.allclose(variance.double(), 2 * FRACTION + plain.var((0, 2, 3)), rtol=1e-5)
    assert weight == pytest.approx(3 * FRACTION + 1)
    assert mean._version == variance._version == weight._version == 1


@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('given', [0, 1, 2])
@pytest.mark.parametrize('channels', CHANNELS)
def test_both_ways(channels: int, given: int, relu: bool) -> None:
    """Against torch's own in double precision; given: how many of gamma and beta there are."""
    z, dy = channels_last(3, channels, 16, 12) * 2 + 1, channels_last(3, channels, 16, 12)
    scale = [torch.randn(channels) for _ in range(given)]
    gamma, beta = (t.double().requires_grad_() for t in (
        [*scale, torch.ones(channels), torch.zeros(channels)] if not given else
        [*scale, torch.zeros(channels)])[:2])
    x = z.double().requires_grad_()
    wanted = torch.nn.functional.batch_norm(x, None, None, gamma, beta, True, 0, EPS)
    wanted = wanted.relu() if relu else wanted
    wanted.backward(dy.double())
    y, normal, _ = normalised(z, *scale, relu=relu)
    assert torch.allclose(y.double(), wanted, atol=1e-5)
    found = batch_norm.gradients(dy, z, normal, relu)
    for ours, plain in zip(found, (x.grad, gamma.grad, beta.grad), strict=True):
        assert (ours.double() - plain).abs().max() <= 1e-5 * plain.abs().max()


def test_pixels_that_do_not_fill_vectors() -> None:
    z = channels_last(1, 11, 3, 5)
    with pytest.raises(ValueError, match='15 pixels of 11 channels do not fill vectors'):
        normalised(z)
