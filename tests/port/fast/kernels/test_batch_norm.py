"""Normalisation by the C kernels against torch in double precision."""

import pytest
import torch

from port.fast.kernels import batch_norm, calls

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]
CHANNELS = (16, 11, 64, 80)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(6)


def channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('channels', CHANNELS)
def test_moments_far_from_zero(channels: int) -> None:
    z = channels_last(2, channels, 24, 20) * 3 + 1000
    mean, variance = batch_norm.moments(z)
    plain = z.double()
    assert torch.allclose(mean, plain.mean((0, 2, 3)), rtol=1e-9)
    assert torch.allclose(variance, plain.var((0, 2, 3), correction=0), rtol=1e-5)


@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('channels', CHANNELS)
def test_affine(channels: int, relu: bool) -> None:
    z, scale, shift = channels_last(3, channels, 8, 6), torch.randn(channels), torch.randn(channels)
    plain = z * scale.view(-1, 1, 1) + shift.view(-1, 1, 1)
    assert torch.allclose(batch_norm.affine(z, scale, shift, relu), plain.relu() if relu else plain,
                          atol=1e-6)


@pytest.mark.parametrize('relu', [False, True])
@pytest.mark.parametrize('channels', CHANNELS)
def test_gradients(channels: int, relu: bool) -> None:
    z, dy = channels_last(2, channels, 16, 12), channels_last(2, channels, 16, 12)
    scale, shift, mean, *rest = torch.randn(6, channels)
    g = dy.double()
    if relu:
        g = g * (z * scale.view(-1, 1, 1) + shift.view(-1, 1, 1) > 0)
    total, along = batch_norm.gradient_sums(dy, z, scale, shift, mean, relu)
    assert torch.allclose(total, g.sum((0, 2, 3)), atol=1e-4)
    assert torch.allclose(along, (g * (z - mean.view(-1, 1, 1))).sum((0, 2, 3)), atol=1e-3)
    p, q, r = (t.view(-1, 1, 1) for t in rest)
    found = batch_norm.gradient(dy, z, dict(zip(('scale', 'shift', 'p', 'q', 'r'),
                                                (scale, shift, *rest), strict=True)), relu)
    assert torch.allclose(found.double(), p * g + q * z + r, atol=1e-5)


def test_pixels_that_do_not_fill_vectors() -> None:
    z = channels_last(1, 11, 3, 5)
    with pytest.raises(ValueError, match='15 pixels of 11 channels do not fill vectors'):
        batch_norm.moments(z)
