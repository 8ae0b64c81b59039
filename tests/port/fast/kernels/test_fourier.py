"""Convolutions by Fourier transforms of tiles against torch's in double precision."""

import pytest
import torch
import torch.nn.functional as F

from port.fast.kernels import calls, fourier

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]
ROUNDING = 1e-6             # of the largest value
SHAPES = ((1, 16, 9, 23), (2, 32, 20, 11), (3, 48, 31, 40), (1, 16, 3, 2))


def channels_last(*shape: int) -> torch.Tensor:
    return torch.randn(*shape).contiguous(memory_format=torch.channels_last)


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(5)


def close(found: torch.Tensor, plain: torch.Tensor) -> bool:
    return bool((found - plain).abs().max() <= ROUNDING * plain.abs().max())


@pytest.mark.parametrize('kernel', [5, 6, 7, 8])
@pytest.mark.parametrize('shape', SHAPES)
def test_convolution(shape, kernel: int) -> None:
    x, weight = channels_last(*shape), torch.randn(32, shape[1], kernel, kernel)
    for pad in ((kernel // 2, kernel // 2), (kernel - 1, 3)):
        plain = F.conv2d(F.pad(x.double(), (pad[1], pad[1], pad[0], pad[0])), weight.double())
        assert close(fourier.transform(x, pad, kernel, fourier.spectrum(weight))[0], plain)


@pytest.mark.parametrize('kernel,pad', [(5, (2, 2)), (7, (3, 3)), (7, (0, 5)), (8, (4, 1))])
@pytest.mark.parametrize('shape', SHAPES[1:3])
def test_gradients(shape, kernel: int, pad) -> None:
    x, weight = channels_last(*shape), torch.randn(64, shape[1], kernel, kernel)
    a, w = x.double().requires_grad_(), weight.double().requires_grad_()
    y = F.conv2d(a, w, padding=pad)
    diff = channels_last(*y.shape)
    y.backward(diff.double())
    down, learnt = fourier.gradients(diff, x, weight, pad, True, True)
    assert close(down, a.grad) and close(learnt, w.grad)
    assert fourier.gradients(diff, x, weight, pad, False, False) == (None, None)


def test_gradient_of_an_image_of_three_channels() -> None:
    x, weight = torch.randn(2, 3, 21, 30), torch.randn(32, 3, 7, 7)
    w = weight.double().requires_grad_()
    y = F.conv2d(x.double(), w, padding=3)
    diff = torch.randn_like(y)
    y.backward(diff)
    down, learnt = fourier.gradients(diff.float(), x, weight, (3, 3), False, True)
    assert down is None and close(learnt, w.grad)


def test_numbers_do_not_depend_on_the_order_of_threads() -> None:
    x, weight = channels_last(4, 32, 50, 50), torch.randn(32, 32, 7, 7)
    first, again = (fourier.gradients(x, x, weight, (3, 3), True, True) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


@pytest.mark.parametrize('shape', [(32, 32, 3, 3), (32, 32, 11, 11), (32, 32, 7, 5), (21, 32, 7, 7),
                                   (32, 32, 7)])
def test_what_does_not_fit(shape: tuple[int, ...]) -> None:
    assert not fourier.fits(torch.zeros(shape)) and fourier.fits(torch.zeros(32, 32, 7, 7))
