"""2 x 2 maxima, their places, and values put back, against torch's."""

import pytest
import torch
import torch.nn.functional as F

from port.fast.kernels import calls, max_unpooling

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]


def channels_last(*shape: int) -> torch.Tensor:
    random = torch.Generator().manual_seed(6)
    return torch.randn(*shape, generator=random).contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('size', [(8, 6), (7, 5), (1, 1), (2, 9)])
def test_maxima_and_their_places(size) -> None:
    x = channels_last(2, 16, *size)
    x.round_()                                  # ties: the first in order of rows counts
    y, places = max_unpooling.maxima(x)
    plain, at = F.max_pool2d(x.contiguous(), 2, 2, ceil_mode=True, return_indices=True)
    assert torch.equal(y, plain) and torch.equal(places, at.float())
    back = max_unpooling.put_back(y, places, size)
    assert torch.equal(back, F.max_unpool2d(plain, at, 2, 2, output_size=list(size)))
    assert torch.equal(max_unpooling.take_out(back, places), plain)


def test_maxima_of_negative_values() -> None:
    x = -1 - channels_last(1, 16, 4, 4).abs()
    assert max_unpooling.maxima(x)[0].max() < 0
