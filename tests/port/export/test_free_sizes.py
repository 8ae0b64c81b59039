"""Which sizes of a net are free."""

import pytest
import torch

from netspec.families.fcn import fcn
from netspec.schema import parse_net
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.export.free_sizes import free_shapes


def net(text: str, *shapes: tuple[int, ...]) -> Net:
    inputs = ''.join(
        f'layer {{ name: "{n}" type: "Input" top: "{n}" input_param {{ shape {{ '
        + ' '.join(f'dim: {d}' for d in shape) + ' } } }' for n, shape in zip('ab', shapes,
                                                                             strict=False))
    return Net(parse_net(inputs + text), TEST)


def test_fcn_is_free_from_end_to_end() -> None:
    shapes = free_shapes(Net(fcn('voc-fcn8s', 'deploy', width=1 / 16), TEST))
    assert shapes['data'] == ('batch', 3, 'height', 'width')
    assert shapes['score'] == ('batch', 21, 'height', 'width')
    assert shapes['pool5'] == ('batch', 32, 'pool5_2', 'pool5_3')
    assert shapes['fc7'][1] == 256


def test_two_streams_are_tied() -> None:
    shapes = free_shapes(Net(fcn('nyud-fcn32s-color-hha', 'deploy', width=1 / 16), TEST))
    assert shapes['color'] == shapes['hha'] == ('batch', 3, 'height', 'width')


def test_inputs_that_nothing_ties_have_names_of_their_own() -> None:
    found = free_shapes(net('layer { name: "c" type: "Crop" bottom: "a" bottom: "b" top: "c" }',
                            (1, 3, 9, 9), (1, 3, 9, 9)))
    assert found['a'][2:] == ('height', 'width')
    assert found['b'][2:] == found['c'][2:] == ('b_height', 'b_width')


def test_inner_product_fixes_the_image() -> None:
    text = ('layer { name: "p" type: "InnerProduct" bottom: "a" top: "p" '
            'inner_product_param { num_output: 5 } }')
    assert free_shapes(net(text, (2, 3, 4, 4))) == {'a': ('batch', 3, 4, 4), 'p': ('batch', 5)}


@pytest.mark.parametrize('multiple', [16, 64])
def test_sizes_that_must_be_multiples_are_free(multiple: int) -> None:
    text = ('layer { name: "p" type: "Pooling" bottom: "a" top: "p" pooling_param '
            f'{{ kernel_size: {multiple} stride: {multiple} }} }} layer {{ name: "u" type: '
            f'"Deconvolution" bottom: "p" top: "u" convolution_param {{ num_output: 3 kernel_size: '
            f'{multiple} stride: {multiple} }} }} layer {{ name: "e" type: "Eltwise" bottom: "a" '
            'bottom: "u" top: "e" }')
    shapes = free_shapes(net(text, (1, 3, multiple, 2 * multiple)))
    assert shapes['e'] == ('batch', 3, 'height', 'width')


def test_the_net_is_left_as_it_was() -> None:
    small = net('layer { name: "t" type: "TanH" bottom: "a" top: "t" }', (2, 3, 4, 4))
    small.blobs['a'].data = torch.arange(96.).reshape(2, 3, 4, 4)
    free_shapes(small)
    assert small.blobs['t'].shape == (2, 3, 4, 4)
    assert torch.equal(small.blobs['a'].data, torch.arange(96.).reshape(2, 3, 4, 4))
