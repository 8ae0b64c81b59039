"""A task's weights and bias are those of its layer and of what follows it."""

import pytest
import torch

from port.engine.random_weights import random_weights
from port.fast.convolutions.algorithms import ByOneDnn, ByTorch
from port.fast.convolutions.task import Task

from ..small import conv, layer, make, source
from .test_algorithms import bottom, close

SCALE = layer('Scale', 'y', 'y', 'scale_param { bias_term: true }')


@pytest.mark.parametrize('more', ['', 'bias_term: false'])
@pytest.mark.parametrize('behind', [
    layer('BatchNorm', 'y', 'y'), SCALE, layer('Bias', 'y', 'y'),
    layer('Scale', 'y', 'y', 'scale_param { num_axes: 0 }'),
    layer('BatchNorm', 'y', 'y', 'batch_norm_param { eps: 1 }') + SCALE + layer('Bias', 'y', 'y')])
def test_layers_that_the_weights_take_in(more: str, behind: str) -> None:
    net = make(source('x', 1, 6, 12, 12) + conv('x', 'y', 5, 3, more) + behind)
    random_weights(net, 1)
    torch.manual_seed(1)
    for node in net.nodes[2:]:
        if node.layer.type != 'BatchNorm':
            for blob in node.layer.blobs:
                blob.data = torch.randn(blob.shape)
    x = bottom(6, (12, 12))[:1]
    wanted = net.forward(x=x)['y'].clone()
    layers = [node.layer for node in net.nodes[1:]]
    mine = Task(layers[0], fixed=True, affine=tuple(layers[1:]))
    assert mine.kernel is layers[0].blobs[0].data
    assert all(close(way(mine).forward(x, (0, 0, 0, 0)), wanted) for way in (ByTorch, ByOneDnn)
               if way.suits(mine))


@pytest.mark.parametrize('more,size', [
    ('', (10, 7)), ('stride: 2', (5, 4)), ('dilation: 3', (6, 3))])
def test_size(more: str, size: tuple[int, int]) -> None:
    mine = Task(make(source('x', 1, 6, 12, 9) + conv('x', 'y', 5, 3, more)).nodes[1].layer)
    assert mine.size(torch.zeros(1, 6, 12, 9), (0, 0, 0, 0)) == size
    assert mine.size(torch.zeros(1, 6, 10, 6), (1, 2, 0, 2)) == size
