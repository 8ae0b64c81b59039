"""Where the second operand of Bias and Scale stands; the layers' tests hold the numbers."""

import numpy as np
import pytest
import torch

from netspec.schema.messages import TRAIN, LayerParameter
from port.engine.blob import Blob
from port.layers.bases.broadcast import Broadcast


def broadcast(shape, spans, axis):
    layer = Broadcast(LayerParameter(name='b'), TRAIN)
    layer.fit(Blob('x', shape), Blob('s', spans), axis)
    return layer


@pytest.mark.parametrize(('shape', 'spans', 'axis', 'view', 'repeated'), [
    ((2, 3, 4, 5), (3,), 1, (1, 3, 1, 1), [0, 2, 3]),
    ((2, 3, 4, 5), (3, 4), 1, (1, 3, 4, 1), [0, 3]),
    ((2, 3, 4, 5), (4, 5), -2, (1, 1, 4, 5), [0, 1]),
    ((2, 3), (2, 3), 0, (2, 3), []),
    ((2, 3), (), 7, (1, 1), [0, 1]),
    ((), (), 1, (), [])])
def test_the_place_of_the_operand(shape, spans, axis, view, repeated):
    layer = broadcast(shape, spans, axis)
    assert (layer.view, layer.repeated) == (view, repeated)


def test_gathering_is_the_transpose_of_spreading():
    r = np.random.RandomState(0)
    layer, small = broadcast((2, 3, 4), (3,), 1), Blob('s', (3,))
    small.data = torch.tensor(r.standard_normal(3))
    big = torch.tensor(r.standard_normal((2, 3, 4)))
    there = (layer.spread(small) * big).sum()
    back = (small.data * layer.gathered(big, small)).sum()
    assert torch.isclose(there, back)
