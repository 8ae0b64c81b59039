"""Convolutions as one matrix product against torch's in double precision."""

import pytest
import torch
import torch.nn.functional as F

from netspec.window import Window
from port.fast.kernels import calls, windows

from .test_winograd import channels_last

pytestmark = [pytest.mark.skipif(not calls.available(), reason='no C compiler here'),
              pytest.mark.usefixtures('vectors')]
DIRECT = 5e-7               # of the largest output: rounding of float32


@pytest.fixture(autouse=True)
def seed() -> None:
    torch.manual_seed(2)


# channels, outputs, kernel, stride, dilation, pad: an image's, a 1 x 1, what fills no vector, holes
# wider than the image, more places than are noted, windows of padding alone
WINDOWS = [(3, 64, 3, 1, 1, 0), (1, 64, 5, 1, 1, 2), (3, 64, 7, 2, 1, 3), (256, 64, 1, 1, 1, 0),
           (32, 21, 3, 1, 6, 6), (48, 70, 1, 2, 1, 0), (5, 7, 4, 3, 2, 4), (16, 32, 3, 2, 1, 1),
           (32, 70, 3, 1, 24, 24), (48, 40, 4, 1, 4, 6), (16, 32, 9, 1, 4, 16),
           (16, 32, 1, 1, 2, 3)]


@pytest.mark.parametrize('channels,outputs,k,stride,step,pad', WINDOWS)
@pytest.mark.parametrize('adds', [False, True])
def test_windows(channels: int, outputs: int, k: int, stride: int, step: int, pad: int,
                 adds: bool) -> None:
    x, weight = channels_last(2, channels, 12, 33), torch.randn(outputs, channels, k, k)
    bias = torch.randn(outputs) if k > 1 else None
    plain = F.conv2d(x.double(), weight.double(), None if bias is None else bias.double(), stride,
                     pad, step)
    plus = channels_last(*plain.shape) if adds else None
    plain = plain.relu() if plus is None else (plain + plus).relu()
    y = torch.full(plain.shape, float('nan')).contiguous(memory_format=torch.channels_last)
    windows.windows(x, (pad, pad), windows.pack_windows(weight), bias,
                     Window((k, k), (stride, stride), (pad, pad), (step, step)), True, y, plus)
    assert (y - plain).abs().max() <= DIRECT * plain.abs().max()


def test_places_outside_the_image_are_left_out() -> None:
    """Holes of 24 reach beyond 12 rows: those weights are multiplied with nothing at all."""
    window = Window((3, 3), (1, 1), (24, 24), (24, 24))
    x, weight = channels_last(1, 32, 12, 33), torch.randn(64, 32, 3, 3)
    weight[:, :, [0, 2]] = float('inf')
    y = torch.empty(1, 64, 12, 33).contiguous(memory_format=torch.channels_last)
    windows.windows(x, (24, 24), windows.pack_windows(weight), None, window, False, y)
    assert y.isfinite().all()
    assert windows.count_read((12, 33), (12, 33), (24, 24), window) == 12 * (33 + 2 * 9)


def test_what_is_added_has_the_outputs_size() -> None:
    weight = windows.pack_windows(torch.randn(32, 16, 1, 1))
    with pytest.raises(ValueError, match='cannot be added to outputs'):
        windows.windows(channels_last(1, 16, 9, 9), (0, 0), weight, None,
                         Window((1, 1), (1, 1), (0, 0), (1, 1)), True, channels_last(1, 32, 9, 9),
                         channels_last(1, 32, 9, 8))


@pytest.mark.parametrize('channels', [4, 32])
def test_weights_for_other_channels_are_refused(channels: int) -> None:
    """The kernel would read beside them."""
    x, y = channels_last(1, channels, 9, 9), channels_last(1, 64, 7, 7)
    with pytest.raises(ValueError, match=f'{channels} channels to 64'):
        windows.windows(x, (0, 0), windows.pack_windows(torch.randn(64, 3, 3, 3)), None,
                        Window((3, 3), (1, 1), (0, 0), (1, 1)), True, y)


def test_more_outputs_than_are_written_together() -> None:
    """301 outputs: 256, then 45, of which 32 fill a block; several turns of rows."""
    x, plus = channels_last(1, 48, 40, 30), channels_last(1, 301, 40, 30)
    weight, bias, y = torch.randn(301, 48, 1, 1), torch.randn(301), torch.empty_like(plus)
    windows.windows(x, (0, 0), windows.pack_windows(weight), bias,
                     Window((1, 1), (1, 1), (0, 0), (1, 1)), True, y, plus)
    plain = (F.conv2d(x.double(), weight.double(), bias.double()) + plus).relu()
    assert (y - plain).abs().max() <= DIRECT * plain.abs().max()


@pytest.mark.parametrize('pad,step', [((1, 1), 1), ((0, 2), 2), ((4, 4), 4)])
def test_places(pad: tuple[int, int], step: int) -> None:
    """The sum of what the places of a window give is the convolution."""
    x, weight, bias = channels_last(2, 16, 9, 11), torch.randn(5, 16, 3, 3), torch.randn(5)
    wanted = F.conv2d(x.double(), weight.double(), bias.double(), padding=pad, dilation=step)
    parts = F.conv2d(x, weight.permute(2, 3, 0, 1).reshape(-1, 16, 1, 1))
    y, plus = channels_last(*wanted.shape), channels_last(*wanted.shape)
    windows.places(parts, pad, bias, Window((3, 3), (1, 1), pad, (step, step)), True, y, plus)
    plain = (wanted + plus).relu()
    assert (y - plain).abs().max() <= DIRECT * plain.abs().max()
    with pytest.raises(ValueError, match='44 channels are not those of 9 places for 5 outputs'):
        windows.places(parts[:, :44], pad, bias, Window((3, 3), (1, 1), pad, (step, step)), True,
                        y)
