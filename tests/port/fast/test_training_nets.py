"""Passes that learn, on small nets whose losses, data and trunks are entangled, and on such as are
known here in part.
"""

import pytest
import torch

from netspec.schema.messages import TRAIN
from port.engine.net import Net
from port.fast.kernels import calls
from port.fast.training import FastTraining

from .small import conv, labels, layer, loss, make, source

EXACT = 1e-11           # of the largest value, in double precision
NOTHING = 1e-2          # the gradient of a bias that BatchNorm takes away is all rounding
DATA = source('x', 2, 3, 8, 8) + source('l', 2, 1, 8, 8)


def learnt(net: Net, run) -> dict[str, torch.Tensor]:
    """Return the loss, the parameters' gradients and what the heads are left with."""
    net.clear_param_diffs()
    run()
    found = {'loss': torch.as_tensor(float(net.loss))}
    found.update((f'{row.layer} {row.index}', row.blob.diff.clone()) for row in net.learnable)
    found.update((name, net.blobs[name].data.clone())
                 for name in net.blobs if name in ('s', 't', *net.outputs))
    return found


def hold(net: Net, engine, tolerance: float, **arrays: torch.Tensor) -> None:
    """Hold an engine to the plain one, first on these data, then on others."""
    def plainly() -> None:
        net.run_forward()
        net.backward()
    fast = engine(net)
    for turn in range(2):
        net.feed(**{name: x if turn == 0 else x.flip(-1) for name, x in arrays.items()})
        wanted = learnt(net, plainly)
        for name in ('s', 't'):
            if name in net.blobs:
                net.blobs[name].data = torch.full_like(net.blobs[name].data, 7)
        found = learnt(net, fast)
        for key, value in wanted.items():
            off = (found[key].double() - value.double()).abs().max()
            assert off <= tolerance * value.abs().max() + NOTHING * tolerance, key


def double(text: str) -> Net:
    net = make(text, TRAIN)
    net.to(torch.float64)
    return net


TANGLES = {
    'labels that two losses read': conv('x', 's', 4, 3, 'pad: 1') + loss('s', 'l', 'one')
    + conv('s', 't', 4, 1) + loss('t', 'l', 'two'),
    'a label that gives a size': conv('x', 'a', 4, 3, 'pad: 9')
    + layer('Crop', ['a', 'l'], 's', 'crop_param { axis: 2 offset: 8 }') + loss('s', 'l', 'one'),
    'scores that two losses read': conv('x', 's', 4, 3, 'pad: 1') + loss('s', 'l', 'one')
    + loss('s', 'l', 'two'),
    'late scores that two losses read': conv('x', 's', 4, 3, 'pad: 1') + loss('s', 'l', 'one')
    + conv('s', 't', 4, 1) + loss('t', 'l', 'two') + loss('t', 'l', 'three')}


@pytest.mark.parametrize('text', TANGLES.values(), ids=TANGLES)
def test_training(text: str) -> None:
    hold(double(DATA + text), FastTraining, EXACT, x=torch.randn(2, 3, 8, 8),
         l=labels(2, 1, 8, 8))


IN_PART = {    # and the layers that the plain engine runs
    'a target that a layer makes': (
        source('y', 2, 4, 8, 8) + conv('x', 's', 4, 3, 'pad: 1') + layer('ReLU', 'y', 't')
        + layer('EuclideanLoss', ['s', 't'], 'one'), 'EuclideanLoss'),
    'a target made in place': (
        source('y', 2, 4, 8, 8) + conv('x', 's', 4, 3, 'pad: 1') + layer('ReLU', 'y', 'y')
        + layer('EuclideanLoss', ['s', 'y'], 'one'), 'EuclideanLoss'),
    'a target that is learnt': (
        conv('x', 'a', 4, 3, 'pad: 1') + conv('a', 's', 4, 1)
        + layer('EuclideanLoss', ['s', 'a'], 'one'), 'EuclideanLoss'),
    'no gradient below': (
        conv('x', 'a', 4, 3, 'pad: 1') + conv('a', 's', 4, 1, outer='propagate_down: false')
        + loss('s', 'l', 'one'), 'Convolution SoftmaxWithLoss'),
    'a part in the loss': (
        conv('x', 'b', 4, 3, 'pad: 1') + conv('b', 'a', 4, 3, 'pad: 1', 'loss_weight: 0.5')
        + conv('a', 's', 4, 1) + loss('s', 'l', 'one'),
        'Split Convolution SoftmaxWithLoss'),
    'what a loss makes': (
        conv('x', 's', 4, 3, 'pad: 1')
        + layer('SoftmaxWithLoss', ['s', 'l'], 'one', 'top: "p"') + conv('p', 't', 4, 1)
        + loss('t', 'l', 'two'), 'SoftmaxWithLoss Convolution SoftmaxWithLoss'),
    'an accuracy beside the loss': (
        conv('x', 's', 4, 3, 'pad: 1') + loss('s', 'l', 'one')
        + layer('Accuracy', ['s', 'l'], 'right'), 'SoftmaxWithLoss Accuracy'),
    'a layer between': (
        conv('x', 'a', 4, 3, 'pad: 1') + layer('ReLU', 'a', 'a') + layer('MVN', 'a', 'b')
        + conv('b', 's', 4, 1) + loss('s', 'l', 'one'), 'MVN Convolution SoftmaxWithLoss'),
    'a layer between, in place': (
        conv('x', 'a', 4, 3, 'pad: 1') + layer('ReLU', 'a', 'a') + layer('MVN', 'a', 'a')
        + layer('Scale', 'a', 'a', 'scale_param { bias_term: true }')
        + conv('a', 's', 4, 1) + loss('s', 'l', 'one'),
        'ReLU MVN Scale Convolution SoftmaxWithLoss'),
    'a sign that is written over': (
        conv('x', 'c', 4, 3, 'pad: 1') + conv('c', 'a', 4, 3, 'pad: 1') + layer('ReLU', 'a', 'a')
        + layer('Dropout', 'a', 'a', 'dropout_param { dropout_ratio: 0 }')
        + layer('BatchNorm', 'a', 'a') + conv('a', 's', 4, 1) + loss('s', 'l', 'one'),
        'ReLU Dropout BatchNorm Convolution SoftmaxWithLoss'),
    'a classifier': (
        source('k', 2) + conv('x', 'a', 4, 3, 'pad: 1') + layer('ReLU', 'a', 'a')
        + layer('Pooling', 'a', 'b', 'pooling_param { kernel_size: 2 stride: 2 }')
        + layer('Flatten', 'b', 'f') + layer('ReLU', 'f', 'f')
        + layer('InnerProduct', 'f', 's', 'inner_product_param { num_output: 4 '
                'weight_filler { type: "xavier" } }') + loss('s', 'k', 'one'),
        'Flatten ReLU InnerProduct SoftmaxWithLoss')}


@pytest.mark.parametrize('name', IN_PART)
def test_nets_that_are_known_in_part(name: str) -> None:
    text, rest = IN_PART[name]
    net = double(DATA + text)
    fast = FastTraining(net)
    assert [net.nodes[place].layer.type for place in fast.trained.part.rest] == rest.split()
    more = {'y': torch.randn(2, 4, 8, 8), 'k': labels(2)}
    hold(net, lambda net: fast, EXACT, x=torch.randn(2, 3, 8, 8), l=labels(2, 1, 8, 8),
         **{key: value for key, value in more.items() if key in net.blobs})


LEARNT = {
    'Scale': layer('Scale', 'a', 'b', 'scale_param { bias_term: true }'),
    'Scale without a bias': layer('Scale', 'a', 'b'),
    'Bias': layer('Bias', 'a', 'b'), 'PReLU': layer('PReLU', 'a', 'b'),
    'one number': layer('Scale', 'a', 'b', 'scale_param { num_axes: 0 bias_term: true }'),
    'fixed Scale': layer('Scale', 'a', 'b', 'param { lr_mult: 0 } param { lr_mult: 1 } '
                         'scale_param { bias_term: true }'),
    'averages': layer('Pooling', 'a', 'b', 'pooling_param { pool: AVE kernel_size: 3 pad: 1 }'),
    'averages cut': layer('Pooling', 'a', 'b', 'pooling_param { pool: AVE kernel_size: 2 '
                          'stride: 2 pad: 1 }'),
    'Deconvolution': layer('Deconvolution', 'a', 'b', 'convolution_param { num_output: 3 '
                           'kernel_size: 4 stride: 2 pad: 1 weight_filler { type: "msra" } }'),
    'Deconvolution of each channel': layer(
        'Deconvolution', 'a', 'b', 'convolution_param { num_output: 4 group: 4 kernel_size: 4 '
        'stride: 2 bias_term: false weight_filler { type: "bilinear" } }'),
    'diagonal Deconvolution': layer(
        'Deconvolution', 'a', 'b', 'convolution_param { num_output: 4 kernel_size: 4 '
        'stride: 2 bias_term: false weight_filler { type: "bilinear" } }'),
    'BN': layer('BN', 'a', 'b', 'bn_param { scale_filler { type: "constant" value: 1.5 } }')}


@pytest.mark.parametrize('pad', [1, 6])
@pytest.mark.parametrize('name', LEARNT)
def test_layers_that_learn(name: str, pad: int) -> None:
    """Amidst the image; behind a padding that it does not reach, where blank values learn too."""
    text = (DATA + conv('x', 'a', 4, 3, f'pad: {pad}') + LEARNT[name] + conv('b', 'c', 4, 3)
            + layer('Crop', ['c', 'l'], 's', 'crop_param { axis: 2 offset: 0 }')
            + loss('s', 'l', 'one')).replace(source('l', 2, 1, 8, 8), source('l', 2, 1, 2, 2))
    net = double(text)
    for blobs in net.params.values():
        for blob in blobs:
            blob.data = blob.data + 0.1 * torch.randn_like(blob.data) * (blob.count > 100)
    fast = FastTraining(net)
    assert len(fast.trained.part.rest) == 1
    hold(net, lambda net: fast, EXACT, x=torch.randn(2, 3, 8, 8), l=labels(2, 1, 2, 2))


@pytest.mark.skipif(not calls.available(), reason='no C compiler here')
@pytest.mark.parametrize('between', [
    layer('LRN', 'a', 'b'), layer('Deconvolution', 'a', 'b', '''param { lr_mult: 0 }
        convolution_param { num_output: 16 group: 16 kernel_size: 4 stride: 2 pad: 1
        bias_term: false weight_filler { type: "bilinear" } }''')])
def test_a_kernel_of_ours_behind_any_layer(between: str) -> None:
    size = 8 if 'LRN' in between else 4
    net = make(source('x', 2, 16, size, size) + source('l', 2, 1, 8, 8)
               + conv('x', 'a', 16, 3, 'pad: 1') + between + conv('b', 'c', 32, 3, 'pad: 1')
               + conv('c', 's', 4, 1) + loss('s', 'l', 'one'), TRAIN)
    hold(net, FastTraining, 1e-5, x=torch.randn(2, 16, size, size), l=labels(2, 1, 8, 8))
