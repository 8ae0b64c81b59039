"""Before training: bilinear kernels where there are none, and a warning of dead layers."""

import logging

import numpy as np
import pytest

from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.starting_weights import begin, dead_layers, fill_upsampling, load, prepare

UP = '''
layer {{ name: "x" type: "Input" top: "x"
    input_param {{ shape {{ dim: 1 dim: 2 dim: 5 dim: 6 }} }} }}
layer {{ name: "{name}" type: "Deconvolution" bottom: "x" top: "y" convolution_param {{
    num_output: 2 kernel_size: {kernel} stride: {stride} bias_term: false {more} }} }}
'''


def net_of(name: str = 'upscore', kernel: int = 4, stride: int = 2, more: str = '') -> Net:
    return Net(parse_net(UP.format(name=name, kernel=kernel, stride=stride, more=more)), TEST)


@pytest.mark.parametrize('kernel, stride', [(4, 2), (3, 2), (8, 4), (16, 8), (64, 32)])
def test_a_constant_stays_itself_inside(kernel: int, stride: int) -> None:
    """Interpolation: a plane of ones is upsampled to ones, away from the border."""
    net = net_of(kernel=kernel, stride=stride)
    assert fill_upsampling(net) == ['upscore']
    out = net.forward(x=np.ones((1, 2, 5, 6), 'f'))['y'][0, 0].numpy()
    inside = out[kernel:-kernel or None, kernel:-kernel or None]
    assert np.allclose(inside if inside.size else out[out.shape[0] // 2, out.shape[1] // 2], 1,
                       atol=1e-6)


def test_a_kernel_wider_than_the_stride_needs() -> None:
    """8 x 8 at stride 2 (FCN-Basic): the kernel of stride 2 in the middle."""
    net = net_of(kernel=8)
    fill_upsampling(net)
    weight = net.params['upscore'][0].data.numpy()
    line = np.array([0, 0, .25, .75, .75, .25, 0, 0])
    assert np.allclose(weight[1, 1], np.outer(line, line)) and not weight[0, 1].any()


def test_one_channel_a_group() -> None:
    net = net_of(more='group: 2')
    fill_upsampling(net)
    line = np.array([.25, .75, .75, .25])
    assert np.allclose(net.params['upscore'][0].data.numpy(), np.outer(line, line)[None, None])


@pytest.mark.parametrize('name, more', [('deconv', ''),
                                        ('upscore', 'weight_filler { value: 2 }')])
def test_what_has_weights_or_another_name_stays(name: str, more: str) -> None:
    net = net_of(name, more=more)
    before = net.params[name][0].data.clone()
    assert fill_upsampling(net) == [] and (net.params[name][0].data == before).all()


def test_a_net_without_weights_is_said_loudly(caplog) -> None:
    """The published nets' trunk has no filler; score layers start at zero, as in the paper."""
    net = Net(fcn('voc-fcn32s', 'deploy', width=1 / 32), TEST)
    for layer in ('conv1_1', 'fc6'):
        net.params[layer][0].data.zero_()
    with caplog.at_level(logging.WARNING, 'port'):
        prepare(net)
    assert dead_layers(net) == ['conv1_1', 'fc6']
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert record.getMessage().startswith('NO WEIGHTS in conv1_1, fc6: all outputs will be zero')


def test_a_net_with_weights_is_not(caplog) -> None:
    with caplog.at_level(logging.WARNING, 'port'):
        prepare(Net(fcn('voc-fcn32s', 'deploy', width=1 / 32), TEST))
    assert not [r for r in caplog.records if r.levelno >= logging.WARNING]


# -- weights of a net that is used as it is --------------------------------------------------------

SHARED = '''
layer { name: "x" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 dim: 5 dim: 6 } } }
layer { name: "a" type: "Convolution" bottom: "x" top: "a" param { name: "w" } convolution_param {
    num_output: 2 kernel_size: 1 bias_term: false } }
layer { name: "b" type: "Convolution" bottom: "x" top: "b" param { name: "w" } convolution_param {
    num_output: 2 kernel_size: 1 bias_term: false } }
layer { name: "c" type: "PReLU" bottom: "x" top: "c" }
'''
ONES = np.ones((2, 2, 1, 1), 'f')


@pytest.mark.parametrize('layer', ['a', 'b'])
def test_what_layers_share_is_needed_once(layer: str) -> None:
    net = Net(parse_net(SHARED), TEST)
    load(net, {layer: [ONES], 'c': [np.ones(2, 'f')]})
    assert (net.params['a'][0].data == 1).all()
    with pytest.raises(ValueError, match="the weights: nothing for 1 of the net's 3 .*: c;"):
        load(net, {layer: [ONES]})


def test_bilinear_upsampling_may_be_missing() -> None:
    net = net_of()
    load(net, {})
    assert net.params['upscore'][0].data.any()
    load(net, {})                                   # again, now that it is filled
    load(net_of('deconv', more='weight_filler { type: "bilinear" }'), {})
    for name, more in (('deconv', ''), ('upscore', 'weight_filler { type: "msra" }')):
        with pytest.raises(ValueError, match=f"nothing for 1 of the net's 1 .*: {name};"):
            load(net_of(name, more=more), {})


@pytest.mark.parametrize('value', [np.nan, np.inf, -np.inf])
def test_values_that_are_no_numbers_are_named(value: float) -> None:
    wrong = ONES.copy()
    wrong[1, 0] = value
    with pytest.raises(ValueError, match="layer 'a', blob 0: 1 of 4 values are NaN or infinite"):
        load(Net(parse_net(SHARED), TEST), {'a': [wrong], 'c': [np.ones(2, 'f')]})


def test_other_shapes_are_laid_to_width_and_classes() -> None:
    with pytest.raises(ValueError, match=r'\[3, 2, 1, 1\], the net .*--width.*--classes') as error:
        load(Net(parse_net(SHARED), TEST), {'a': [np.ones((3, 2, 1, 1), 'f')]})
    assert 'rename' not in str(error.value)


@pytest.mark.parametrize('given, level', [({'a': [ONES]}, 'INFO'), ({'z': [ONES]}, 'WARNING')])
def test_training_may_begin_with_less_and_says_so(given: dict, level: str, caplog) -> None:
    with caplog.at_level(logging.INFO, 'port.startup'):
        begin(Net(parse_net(SHARED), TEST), given)
    (record,) = [r for r in caplog.records if 'nothing for' in r.getMessage()]
    assert record.levelname == level
    assert record.getMessage().endswith(': c' if 'a' in given else ': a, c')
