"""The fast engine on small nets of every shape that once went wrong, and on results it lends."""

import pytest
import torch

from netspec.window import Window
from port.engine.net import Net
from port.fast.inference import FastNet
from port.fast.kernels import calls, windows, winograd
from port.fast.unsuited import Unsuited
from port.predict.predictor import NetPredictor

from .small import conv, layer, make, source

TOLERANCE = 1e-5        # of the largest value
UP = ('convolution_param { num_output: 16 kernel_size: 4 stride: 2 pad: 1 bias_term: false '
      'weight_filler { type: "bilinear" } %s }')


def hold(net: Net, fast: FastNet, **arrays: torch.Tensor) -> None:
    wanted = {name: y.clone() for name, y in net.forward(**arrays).items()}
    found = fast(**arrays)
    for name, y in wanted.items():
        assert found[name].shape == y.shape
        assert (found[name] - y).abs().max() <= TOLERANCE * y.abs().max(), name


@pytest.mark.parametrize('between', [
    layer('Deconvolution', 'a', 'b', UP % 'group: 16'), layer('Deconvolution', 'a', 'b', UP % ''),
    layer('LRN', 'a', 'b'), layer('Softmax', 'a', 'b'),
    layer('Pooling', 'a', 'b', 'pooling_param { kernel_size: 3 stride: 2 pool: AVE }')])
@pytest.mark.parametrize('batch', [1, 2])
def test_a_kernel_of_ours_behind_any_layer(between: str, batch: int) -> None:
    net = make(source('x', 1, 3, 8, 8) + conv('x', 'a', 16, 3) + between
               + conv('b', 'y', 32, 3, 'pad: 1'))
    for size in ((8, 8), (8, 1), (1, 1)):
        if min(size) > 2:
            hold(net, FastNet(net), x=torch.randn(batch, 3, *size))


@pytest.mark.parametrize('window', [
    'kernel_h: 3 kernel_w: 1 pad_h: 3 pad_w: 3 stride: 2 dilation: 3',
    'kernel_h: 3 kernel_w: 1 pad_h: 3 pad_w: 3 stride: 2', 'kernel_size: 3 pad: 5 dilation: 4'])
@pytest.mark.parametrize('skip', [False, True])
def test_windows_over_nothing_but_padding(window: str, skip: bool) -> None:
    """oneDNN's kernels for channels last end the process there, or give NaN."""
    net = make(source('x', 1, 16, 11, 4) + layer('Convolution', 'x', 'y', f'''convolution_param {{
        num_output: 64 {window} weight_filler {{ type: "msra" }}
        bias_filler {{ type: "constant" value: 1 }} }}'''))
    fast = FastNet(net, skip=skip)
    for shape in ((1, 16, 11, 4), (3, 16, 5, 1), (1, 16, 1, 1), (2, 16, 1, 3)):
        hold(net, fast, x=torch.randn(shape))


@pytest.mark.parametrize('pool', ['MAX', 'AVE'])
def test_pooling_windows_beside_the_bottom_are_left_to_the_plain_engine(pool: str) -> None:
    net = make(source('x', 1, 2, 5, 5) + layer(
        'Pooling', 'x', 'y', f'pooling_param {{ pool: {pool} kernel_size: 1 stride: 3 }}'))
    with pytest.raises(Unsuited, match='a window beside the bottom at this size'):
        FastNet(net)(x=torch.randn(1, 2, 5, 5))
    hold(net, FastNet(net), x=torch.randn(1, 2, 7, 7))


CROPPED = (source('like', 1, 3, 9, 9) + source('x', 8, 16, 9, 9)
           + conv('x', 'a', 32, 3, 'pad: 3')
           + layer('Crop', ['a', 'like'], 'y', 'crop_param { axis: 2 offset: 2 }'))


def test_inputs_of_different_batches_are_left_to_the_plain_engine() -> None:
    """Buffers for the first input's batch were once written beyond their end."""
    net, arrays = make(CROPPED), (torch.randn(1, 3, 9, 9), torch.randn(8, 16, 9, 9))
    with pytest.raises(Unsuited, match=r'inputs of \[1, 8\] images'):
        FastNet(net)(like=arrays[0], x=arrays[1])
    wanted = net.forward(like=arrays[0], x=arrays[1])['y'].clone()
    assert torch.equal(NetPredictor(net)(*arrays), wanted)


@pytest.mark.skipif(not calls.available(), reason='no C compiler here')
def test_kernels_refuse_memory_of_another_size() -> None:
    last = torch.channels_last
    x, weight = torch.randn(2, 32, 9, 9).contiguous(memory_format=last), torch.randn(32, 32, 3, 3)
    for shape in ((1, 32, 9, 9), (2, 32, 8, 9), (2, 32, 9, 10)):
        y = torch.empty(shape, memory_format=last)
        with pytest.raises(ValueError, match='2 image.* of 9 x 9 outputs do not go into memory'):
            winograd.winograd(x, (1, 1), winograd.pack_winograd(weight), None, False, False, y,
                              (9, 9))
    few = torch.randn(2, 3, 11, 11).contiguous(memory_format=last)
    packed, window = windows.pack_windows(torch.randn(32, 3, 3, 3)), Window(
        (3, 3), (1, 1), (0, 0), (1, 1))
    with pytest.raises(ValueError, match='do not go into memory'):
        windows.windows(few, (0, 0), packed, None, window, False,
                        torch.empty(1, 32, 9, 9, memory_format=last))


@pytest.mark.parametrize('text', [
    layer('Crop', ['x', 'x'], 'y', 'crop_param { axis: 2 }'), layer('Dropout', 'x', 'y'),
    layer('ReLU', 'x', 'y')])
def test_results_are_not_the_callers_arrays(text: str) -> None:
    net = make(source('x', 1, 1, 6, 6) + text)
    x = torch.rand(1, 1, 6, 6)
    kept = x.clone()
    FastNet(net)(x=x)['y'].add_(1)
    assert torch.equal(x, kept)


def test_results_are_not_one_anothers_memory() -> None:
    net = make(source('x', 1, 3, 9, 9) + conv('x', 'a', 1, 3, 'pad_h: 30 pad_w: 1')
               + layer('Crop', ['a', 'x'], 'y', 'crop_param { axis: 2 offset: 29 offset: 0 }'))
    fast = FastNet(net, ['a', 'y'])
    first = fast(x=torch.randn(1, 3, 9, 7))
    kept = {name: y.clone() for name, y in first.items()}
    fast(x=torch.randn(1, 3, 9, 7))
    first['a'].zero_()
    assert torch.equal(first['y'], kept['y'])


def test_weights_held_as_numpy_arrays_are_looked_at_again() -> None:
    net = make(source('x', 1, 16, 9, 9) + conv('x', 'y', 32, 3))
    fast, x = FastNet(net), torch.randn(1, 16, 9, 9)
    hold(net, fast, x=x)
    held = net.params['to_y_Convolution'][0].arrays('data')
    for factor in (2, 3):
        held *= factor
        hold(net, fast, x=x)
    del held
    net.params['to_y_Convolution'][0].arrays('data')[...] *= 2
    hold(net, fast, x=x)
    packed = fast.operators
    hold(net, fast, x=x)
    assert fast.operators is packed              # nobody holds them now


def test_a_net_in_double_precision_is_left_to_the_plain_engine() -> None:
    net = make(source('x', 1, 3, 9, 9) + conv('x', 'y', 4, 3))
    net.to(torch.float64)
    with pytest.raises(Unsuited, match='float64'):
        FastNet(net)


def test_long_sums_without_our_kernels() -> None:
    """oneDNN's one sum over 256 channels is off by 7e-7; in four pieces by 4.5e-7."""
    net = make(source('x', 1, 256, 30, 30) + conv('x', 'y', 64, 3, 'pad: 1'))
    x = torch.randn(4, 1, 256, 30, 30).amax(0).relu_()
    found = FastNet(net, kernels=False)(x=x)['y']
    weight, bias = (blob.data.double() for blob in net.params['to_y_Convolution'])
    exact = torch.conv2d(x.double(), weight, bias, padding=1)
    assert (found - exact).pow(2).mean() ** .5 < 5.5e-7 * exact.pow(2).mean() ** .5
