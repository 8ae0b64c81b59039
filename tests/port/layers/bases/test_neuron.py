"""What element-wise layers share: shape, in-place use, when no gradient is asked for."""

import pytest
import torch

from netspec.schema.messages import TRAIN, LayerParameter
from port.engine.blob import Blob
from port.layers.bases.neuron import Neuron, refuse_in_place


class Doubled(Neuron):
    type = 'Doubled'

    def compute(self, x, out):
        torch.mul(x, 2, out=out)

    def gradient(self, bottom, top, diff, out):
        torch.mul(diff, 2, out=out)


def run(x: torch.Tensor, in_place: bool, asked: bool = True) -> tuple[Blob, Blob]:
    """Forward and backward with a diff of ones; return bottom and top."""
    layer = Doubled(LayerParameter(name='d', bottom=['x'], top=['y']), TRAIN)
    bottom = Blob('x', tuple(x.shape))
    bottom.data = x
    top = bottom if in_place else Blob('y')
    layer.setup([bottom], [top])
    layer.reshape([bottom], [top])
    layer.forward([bottom], [top])
    bottom.diff = torch.full(x.shape, 5.0)
    top.diff = torch.ones(x.shape)
    layer.backward([top], [asked], [bottom])
    return bottom, top


@pytest.mark.parametrize('in_place', [False, True])
@pytest.mark.parametrize('shape', [(), (3,), (2, 3, 1, 2, 2), (0, 2)])
def test_any_shape_goes_through(shape, in_place):
    x = torch.ones(shape)
    bottom, top = run(x, in_place)
    assert torch.equal(top.data, torch.full(shape, 2.0))
    assert torch.equal(bottom.diff, torch.full(shape, 2.0))
    assert (top.data is x) == in_place


def test_leaves_the_diff_alone_where_none_is_asked():
    bottom, _ = run(torch.ones(2), False, asked=False)
    assert bottom.diff.tolist() == [5, 5]


def test_keeps_the_memory_format():
    x = torch.ones(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
    _, top = run(x, False)
    assert top.data.stride() == x.stride()


def test_refuse_in_place_names_the_blob():
    layer, blob = Doubled(LayerParameter(name='d', bottom=['x'], top=['y']), TRAIN), Blob('x')
    refuse_in_place(layer, [blob], [Blob('y')])
    with pytest.raises(ValueError, match="Doubled cannot work in place: .* 'x'"):
        refuse_in_place(layer, [blob], [blob])
