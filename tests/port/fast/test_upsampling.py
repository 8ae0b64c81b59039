"""Deconvolutions: as two products where every channel has one separable kernel, else by torch."""

import pytest
import torch

from port.engine.net import Net
from port.fast.inference import FastNet
from port.fast.upsampling import MATRICES, Upsampling

from .small import layer, make, source

TOLERANCE = 1e-6        # of the largest value: sums of at most 49 float32 terms
BILINEAR = 'weight_filler { type: "bilinear" }'
RANDOM = 'weight_filler { type: "gaussian" std: 1 } bias_filler { type: "gaussian" std: 1 }'
# options -> whether the kernels are alike and separable
KERNELS = {
    f'num_output: 6 group: 6 kernel_size: 4 stride: 2 pad: 1 bias_term: false {BILINEAR}': True,
    f'num_output: 6 group: 6 kernel_size: 7 stride: 3 bias_term: false {BILINEAR}': True,
    f'num_output: 6 group: 6 kernel_size: 4 stride: 2 {BILINEAR}': False,            # a bias
    f'num_output: 6 group: 6 kernel_size: 4 stride: 2 dilation: 2 bias_term: false '
    f'{BILINEAR}': False,
    f'num_output: 4 kernel_h: 3 kernel_w: 2 stride_h: 2 stride_w: 3 {RANDOM}': False,
    f'num_output: 9 group: 3 kernel_size: 3 stride: 2 pad: 2 {RANDOM}': False}


def net_of(options: str, crop: str = '') -> Net:
    return make(source('x', 2, 6, 7, 9) + source('like', 2, 1, 5, 6)
                + layer('Deconvolution', 'x', 'y', f'convolution_param {{ {options} }}')
                + (layer('Crop', ['y', 'like'], 'z', crop) if crop else ''))


def hold(net: Net, fast: FastNet, height: int = 7, width: int = 9) -> None:
    random = torch.Generator().manual_seed(height)
    arrays = {'x': torch.randn(2, 6, height, width, generator=random),
              'like': torch.zeros(2, 1, 5, 6)}
    wanted = net.forward(**arrays)
    found = fast(**{name: arrays[name] for name in fast.program.inputs})
    for name, y in found.items():
        assert (y - wanted[name]).abs().max() <= TOLERANCE * wanted[name].abs().max()


def operator(fast: FastNet) -> Upsampling:
    (found,) = (each for each in fast.operators.values() if isinstance(each, Upsampling))
    return found


@pytest.mark.parametrize('options', KERNELS)
@pytest.mark.parametrize('crop', ['', 'crop_param { axis: 2 offset: 3 offset: 1 }'])
def test_the_layers_result(options: str, crop: str) -> None:
    net = net_of(options, crop)
    fast = FastNet(net, ['z' if crop else 'y'])
    hold(net, fast)
    assert (operator(fast).factors is not None) == KERNELS[options]


@pytest.mark.parametrize('changed', ['one value', 'one channel', 'all'])
def test_kernels_that_changed_are_looked_at_again(changed: str) -> None:
    net = net_of(next(iter(KERNELS)))
    fast = FastNet(net, ['y'])
    hold(net, fast)
    weight = net.params['to_y_Deconvolution'][0].data
    if changed == 'one value':
        weight[0, 0, 1, 2] += 1
    else:
        weight[:1 if changed == 'one channel' else None].mul_(2)
    hold(net, fast)
    assert (operator(fast).factors is not None) == (changed == 'all')


def test_full_kernels_onto_their_own_channel_are_taken_apart() -> None:
    """Without groups, as FCN's files have it: zero but for one kernel a channel."""
    net = net_of('num_output: 6 kernel_size: 4 stride: 2 pad: 1 bias_term: false ' + BILINEAR)
    weight = net.params['to_y_Deconvolution'][0].data
    kernel = weight[0, 0].clone()
    weight.zero_()
    for channel in range(6):
        weight[channel, channel] = kernel
    fast = FastNet(net, ['y'])
    hold(net, fast)
    assert operator(fast).factors is not None and operator(fast).per_channel
    weight[0, 1, 0, 0] = 1
    hold(net, fast)
    assert operator(fast).factors is None and not operator(fast).per_channel


def test_matrices_of_other_sizes_are_let_go_of() -> None:
    net = net_of(next(iter(KERNELS)))
    fast = FastNet(net, ['y'])
    for size in range(3, 3 + MATRICES):
        hold(net, fast, size, size + 1)
    assert len(operator(fast)._matrices) == MATRICES
    hold(net, fast, 3, 4)
