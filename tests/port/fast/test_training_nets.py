"""Passes that learn and score, on small nets whose losses, data and trunks are entangled."""

import pytest
import torch

from netspec.schema.messages import TRAIN
from port.engine.net import Net
from port.fast.groups import GroupedNet
from port.fast.kernels import calls
from port.fast.labelled_scoring import FastScoring
from port.fast.training import FastTraining
from port.fast.unsuited import Unsuited

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


REFUSED = {
    "'to_one_EuclideanLoss': 't' is not data": source('y', 2, 4, 8, 8)
    + conv('x', 's', 4, 3, 'pad: 1') + layer('ReLU', 'y', 't')
    + layer('EuclideanLoss', ['s', 't'], 'one'),
    "ReLU beside the loss": source('y', 2, 4, 8, 8) + conv('x', 's', 4, 3, 'pad: 1')
    + layer('ReLU', 'y', 'y') + layer('EuclideanLoss', ['s', 'y'], 'one'),
    "'to_one_EuclideanLoss': .* is not data": conv('x', 'a', 4, 3, 'pad: 1')
    + conv('a', 's', 4, 1) + layer('EuclideanLoss', ['s', 'a'], 'one'),
    'propagate_down: false': conv('x', 'a', 4, 3, 'pad: 1')
    + conv('a', 's', 4, 1, outer='propagate_down: false') + loss('s', 'l', 'one'),
    'a loss_weight within the trunk': conv('x', 'a', 4, 3, 'pad: 1', 'loss_weight: 0.5')
    + conv('a', 's', 4, 1) + loss('s', 'l', 'one'),
    'takes its scores from a loss': conv('x', 's', 4, 3, 'pad: 1')
    + layer('SoftmaxWithLoss', ['s', 'l'], 'one', 'top: "p"') + loss('p', 'l', 'two'),
    "which a loss makes": conv('x', 's', 4, 3, 'pad: 1')
    + layer('SoftmaxWithLoss', ['s', 'l'], 'one', 'top: "p"') + conv('p', 't', 4, 1)
    + loss('t', 'l', 'two')}


@pytest.mark.parametrize('reason', REFUSED)
def test_training_that_only_the_plain_engine_knows(reason: str) -> None:
    with pytest.raises(Unsuited, match=reason):
        FastTraining(double(DATA + REFUSED[reason]))


def test_a_trunks_part_in_the_loss_is_refused_in_scoring() -> None:
    with pytest.raises(Unsuited, match='a loss_weight within the trunk'):
        FastScoring(make(DATA + REFUSED['a loss_weight within the trunk']))


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


# -- by groups -------------------------------------------------------------------------------------

NORMAL = layer('BatchNorm', 'a', 'a') + layer('Scale', 'a', 'a', 'scale_param { bias_term: true }')


def grouped(net: Net) -> GroupedNet:
    try:
        return GroupedNet(net)
    except Unsuited as reason:
        if not calls.available():
            pytest.skip(str(reason))
        raise


def test_statistics_of_one_pixel() -> None:
    net = make(source('x', 1, 3, 1, 1) + source('l', 1, 1, 1, 1) + conv('x', 'a', 16, 1) + NORMAL
               + conv('a', 's', 4, 1) + loss('s', 'l', 'one'), TRAIN)
    hold(net, grouped, 1e-5, x=torch.randn(1, 3, 1, 1), l=labels(1, 1, 1, 1))


def test_maxima_that_leave_out_the_last_row() -> None:
    """Of 8 rows FLOOR and CEIL make as many, of 9 they do not."""
    floor = 'pooling_param { pool: MAX kernel_size: 2 stride: 2 round_mode: FLOOR }'
    net = make(source('x', 1, 16, 8, 8) + source('l', 1, 1, 4, 4) + conv('x', 'a', 16, 1) + NORMAL
               + layer('Pooling', 'a', 'b', floor) + conv('b', 's', 4, 1) + loss('s', 'l', 'one'),
               TRAIN)
    hold(net, grouped, 1e-4, x=torch.randn(1, 16, 9, 9), l=labels(1, 1, 4, 4))


def test_layers_in_place_on_shared_memory_are_left_to_the_plain_engine() -> None:
    net = make(source('x', 1, 3, 6, 6) + source('l', 1, 1, 1, 1) + conv('x', 'a', 16, 1) + NORMAL
               + layer('Flatten', 'a', 'f') + layer('ReLU', 'f', 'f')
               + layer('InnerProduct', 'f', 's', 'inner_product_param { num_output: 4 }')
               + loss('s', 'l', 'one'), TRAIN)
    with pytest.raises(Unsuited, match='works in place on memory that blobs share|no kernels'):
        GroupedNet(net)
