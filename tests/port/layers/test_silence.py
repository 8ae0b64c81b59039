"""Silence: no top, and zeros for its bottoms' diffs."""

import numpy as np
import torch

from netspec.schema.messages import TRAIN, LayerParameter
from port.engine.blob import Blob
from port.layers.silence import Silence


def test_gives_zeros_to_those_that_ask():
    layer = Silence(LayerParameter(name='s', type='Silence'), TRAIN)
    bottom = [Blob('a', (2, 3)), Blob('b', (4,))]
    for blob in bottom:
        blob.diff = torch.ones(blob.shape)
    layer.check_arity(2, 0)
    layer.setup(bottom, [])
    layer.reshape(bottom, [])
    layer.forward(bottom, [])
    layer.backward([], [False, True], bottom)
    assert np.array_equal(bottom[0].diff.numpy(), np.ones((2, 3)))
    assert np.array_equal(bottom[1].diff.numpy(), np.zeros(4))


def test_recorded(recorded_net):
    recorded_net('silence')
