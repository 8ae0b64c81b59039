"""The table of layer types against the layers themselves: each claim that a row makes about where
values come from is tried out on a running layer, one value changed at a time.
"""

import numpy as np
import pytest
import torch

from netspec.coord_map import UndefinedMapException
from netspec.layer_types import LAYER_TYPES, LayerType, layer_type, param_shapes, top_shapes
from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN, LayerParameter
from port.engine import registry
from port.engine.net import Net

SIZE = 12
# Types with coordinates that the trial leaves out, and why.
UNTRIED = {'BatchReindex': 'picks items', 'Filter': 'picks items',
           'AdaptiveBiasChannel': 'chooses by the whole image', 'BiasChannel': 'reads labels',
           'DenseCRF': 'compares all pixels', 'MVN': 'subtracts the mean of the whole image',
           'Upsample': 'puts values where a mask says',
           'BN': 'so does BN in bn_mode LEARN'}
# Options for types that need some, or have a rule of their own.
OPTIONS = {
    'ArgMax': ['argmax_param { axis: 1 top_k: 2 out_max_val: true }'],
    'Convolution': [f'convolution_param {{ num_output: 2 {text} }}' for text in (
        'kernel_size: 3', 'kernel_size: 4 stride: 3 pad: 2', 'kernel_size: 3 dilation: 2 pad: 1',
        'kernel_h: 1 kernel_w: 5 stride_h: 2 stride_w: 1')],
    'Crop': ['crop_param { offset: 2 offset: 3 }'],
    'Deconvolution': [f'convolution_param {{ num_output: 2 {text} }}' for text in (
        'kernel_size: 4 stride: 2 pad: 1', 'kernel_size: 3 stride: 3', 'kernel_size: 7 stride: 2')],
    'Im2col': ['convolution_param { kernel_size: 3 stride: 2 pad: 1 }'],
    'Interp': [f'interp_param {{ {text} }}' for text in (
        'zoom_factor: 3', 'shrink_factor: 2', 'height: 23 width: 5', 'zoom_factor: 2 pad_beg: -2')],
    'LRN': ['', 'lrn_param { norm_region: WITHIN_CHANNEL local_size: 3 }'],
    'Padding': ['padding_param { pad_beg: 2 pad_end: 1 }'],
    'Pooling': [f'pooling_param {{ {text} }}' for text in (
        'kernel_size: 2 stride: 2', 'kernel_size: 3 stride: 2 pool: AVE',
        'kernel_h: 3 kernel_w: 2 stride_h: 3 stride_w: 1 pad_h: 1 pad_w: 0 pool: AVE')],
    'Slice': ['slice_param { slice_point: 1 }'], 'Tile': ['tile_param { tiles: 2 }']}


def places(name: str) -> bool:
    """Whether a type has a rule of coordinates at all."""
    rule = LAYER_TYPES[name].coords
    try:
        rule(LayerParameter(type=name), [])
    except UndefinedMapException as error:
        return 'no coordinate map' not in str(error)
    return True


TRIALS = [(name, options) for name in LAYER_TYPES if name not in UNTRIED and places(name)
          and name in registry.known_types() for options in OPTIONS.get(name, [''])]


def running(name: str, options: str) -> Net:
    """Return a net of one layer in double precision, its data random and its weights too."""
    row = LAYER_TYPES[name]
    bottoms = ''.join(f' bottom: "b{i}"' for i in range(row.bottoms[0]))
    tops = ' top: "t0" top: "t1"' if name == 'Slice' else ' top: "t0"'
    sizes = [SIZE if i != row.size_bottom else SIZE - 3 for i in range(row.bottoms[0])]
    inputs = ''.join(f'layer {{ name: "b{i}" type: "Input" top: "b{i}" input_param {{ shape {{ '
                     f'dim: 1 dim: 3 dim: {n} dim: {n} }} }} }}\n' for i, n in enumerate(sizes))
    net = Net(parse_net(f'{inputs}layer {{ name: "x" type: "{name}"{bottoms}{tops} {options} }}'),
              TEST, dtype=torch.float64)
    random = np.random.RandomState(7)
    for i in range(row.bottoms[0]):
        shape = net.blobs[f'b{i}'].shape
        net.blobs[f'b{i}'].data = torch.from_numpy(random.uniform(.2, .8, shape))
    for blob in net.params.get('x', []):
        blob.data = torch.from_numpy(random.uniform(.5, 1, blob.shape))
    return net


def touched(net: Net, row: int, column: int) -> torch.Tensor:
    """Return which places of the first top change with one place of every bottom of values."""
    before, size_bottom = net.forward()['t0'].clone(), net.nodes[-1].layer.facts.size_bottom
    names = [name for i, name in enumerate(net.inputs) if i != size_bottom]
    held = [net.blobs[name].data.clone() for name in names]
    for name, value in zip(names, held, strict=True):
        changed = value.clone()
        changed[:, :, row, column] += 1e-3 * torch.arange(1, 4, dtype=torch.float64)
        changed[:, :, row, column] += 5          # so that it is the largest of a window
        net.blobs[name].data = changed
    after = net.forward()['t0']
    for name, value in zip(names, held, strict=True):
        net.blobs[name].data = value
    return (after != before).flatten(0, 1).any(0)


def claimed(net: Net) -> list[tuple[float, float, float]]:
    """Return scale, shift and reach that the table gives for rows and for columns."""
    node = net.nodes[-1]
    row, param = node.layer.facts, node.layer.param
    way = row.coords(param, [blob.shape for blob in node.bottom])
    scale, shift = (np.broadcast_to(np.asarray(v, float), 2) for v in way[1:])
    return list(zip(scale.tolist(), shift.tolist(), row.reach(param), strict=True))


@pytest.mark.parametrize('name,options', TRIALS)
def test_values_lie_and_reach_as_the_row_says(name: str, options: str) -> None:
    """Top t reads the bottom around its own place, reach / 2 rows to either side and no further;
    and over all places it does reach that far.
    """
    net, widest = running(name, options), [0.0, 0.0]
    # Between two places of the bottom the reach is counted in whole ones.
    slack = 1 / 2 if name in ('Deconvolution', 'Interp') else 1e-9
    for at in range(SIZE):
        found = touched(net, at, at).nonzero()
        for axis, (scale, shift, reach) in enumerate(claimed(net)):
            for place in found[:, axis].tolist():
                off = abs((place - shift) / scale - at)
                assert off <= reach / 2 + slack, (axis, at, place)
                widest[axis] = max(widest[axis], off)
    for (_, _, reach), wide in zip(claimed(net), widest, strict=True):
        assert wide >= reach / 2 - slack, 'nothing is read that far'


@pytest.mark.parametrize('name', [name for name, row in LAYER_TYPES.items() if row.pointwise])
def test_pointwise_layers_read_their_own_place_alone(name: str) -> None:
    net = running(name, '')
    alone = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    alone[4, 7] = True
    assert torch.equal(touched(net, 4, 7) & ~alone, torch.zeros_like(alone))


@pytest.mark.parametrize('name', [name for name, row in LAYER_TYPES.items() if row.copies])
def test_copies_are_the_bottom_when_testing(name: str) -> None:
    net = running(name, '')
    assert torch.equal(net.forward()['t0'], net.blobs['b0'].data)


@pytest.mark.parametrize('name', [name for name, row in LAYER_TYPES.items() if row.weighted])
def test_weighted_layers_are_linear_in_their_first_parameter(name: str) -> None:
    options = {'InnerProduct': 'inner_product_param { num_output: 2 }',
               'Embed': 'embed_param { num_output: 2 input_dim: 1 }'}
    net = running(name, options[name] if name in options else OPTIONS[name][0])
    weight, bias = net.params['x']
    bias.data = torch.zeros_like(bias.data)
    once = net.forward()['t0'].clone()
    weight.data = weight.data * 2
    assert torch.allclose(net.forward()['t0'], 2 * once, rtol=1e-12)


@pytest.mark.parametrize('name', registry.known_types())
def test_no_layer_repeats_what_its_row_says(name: str) -> None:
    own = set(vars(registry.layer_class(name)))
    assert not own & {'bottoms', 'tops', 'same_count', 'auto_top', 'shares_memory'}


@pytest.mark.parametrize('text,bottoms,tops', [
    ('type: "LSTM" recurrent_param { expose_hidden: true }', (4, 5), (3, 3)),
    ('type: "RNN" recurrent_param { expose_hidden: true }', (3, 4), (2, 2)),
    ('type: "RNN"', (2, 3), (1, 1)), ('type: "Pooling"', (1, 1), (1, 2)),
    ('type: "Pooling" pooling_param { pool: AVE }', (1, 1), (1, 1)),
    ('type: "Concat"', (1, None), (1, 1))])
def test_options_narrow_how_many_blobs(text: str, bottoms: tuple, tops: tuple) -> None:
    layer = parse_net(f'layer {{ name: "x" {text} }}').layer[0]
    row = LAYER_TYPES[layer.type]
    assert row.arity(layer) == (bottoms, tops)
    for (low, high), (least, most) in zip((bottoms, tops), (row.bottoms, row.tops), strict=True):
        assert least <= low and (most is None or high is not None and high <= most)


def test_unknown_types() -> None:
    with pytest.raises(KeyError, match="unknown layer type 'Poling'; did you mean 'Pooling'"):
        layer_type('Poling')
    layer = LayerParameter(type='DenseImageData', top=['data', 'label'])
    assert top_shapes(layer, []) == [(None, 3, None, None), (None, 1, None, None)]
    assert param_shapes(layer, []) == []


def test_what_follows_from_an_unknown_shape_is_unknown() -> None:
    layer = parse_net('layer { type: "Convolution" bottom: "x" top: "y" convolution_param { '
                      'num_output: 4 kernel_size: 3 } }').layer[0]
    assert top_shapes(layer, [None]) == [None]
    assert [param.shape for param in param_shapes(layer, [None])] == [(None,)]
    open_channels = param_shapes(layer, [(1, None, 5, 5)])
    assert [param.shape for param in open_channels] == [(4, None, 3, 3), (4,)]


def test_the_defaults_are_those_of_a_function_of_each_value() -> None:
    row = LayerType()
    assert row.arity(LayerParameter()) == ((1, 1), (1, 1))
    assert row.reach(LayerParameter()) == (0, 0) and not row.auto_top


@pytest.mark.parametrize('phase', [TRAIN, TEST])
def test_tops_that_share_memory_do(phase: int) -> None:
    for name in (name for name, row in LAYER_TYPES.items() if row.shares_memory):
        net = running(name, 'reshape_param { shape { dim: -1 } }' if name == 'Reshape' else '')
        top = net.forward()['t0']
        assert top.data_ptr() == net.blobs['b0'].data.data_ptr(), name


# (fewest, most bottoms), (fewest, most tops), as the headers of Caffe, SegNet's and DeepLab's say.
ARITIES = {
    ((0, 0), (0, None)): 'Input', ((0, 0), (1, 1)): 'Parameter', ((0, 0), (1, 2)): 'Data',
    ((0, 0), (1, None)): 'DummyData HDF5Data MatRead', ((0, 0), (2, 2)): 'ImageData WindowData',
    ((0, 0), (2, 3)): 'MemoryData', ((0, 0), (3, 3)): 'ImageSegData',
    ((0, None), (0, None)): 'Python',
    ((1, 1), (1, 1)): 'AbsVal ArgMax BNLL BatchNorm Clip Dropout ELU Embed Exp Flatten Im2col '
                      'InnerProduct Interp LRN Log MVN PReLU Padding Power ReLU Reduction Reshape '
                      'SPP Sigmoid Softmax Swish TanH Threshold Tile UniqueLabel',
    ((1, 1), (1, 2)): 'Pooling', ((1, 1), (1, 3)): 'BN', ((1, 1), (1, None)): 'Slice Split',
    ((1, 2), (1, 1)): 'Bias Scale', ((1, None), (0, 0)): 'MatWrite Silence',
    ((1, None), (1, 1)): 'Concat', ((1, None), (1, None)): 'Convolution Deconvolution',
    ((2, 2), (0, 0)): 'HDF5Output',
    ((2, 2), (1, 1)): 'AdaptiveBiasChannel BatchReindex BiasChannel Crop EuclideanLoss HingeLoss '
                      'MultinomialLogisticLoss SegAccuracy SigmoidCrossEntropyLoss Upsample',
    ((2, 2), (1, 2)): 'Accuracy SoftmaxWithLoss', ((2, 3), (1, 1)): 'DenseCRF',
    ((2, 3), (1, 2)): 'InfogainLoss', ((2, 4), (1, 2)): 'RNN', ((2, 5), (1, 3)): 'LSTM',
    ((2, None), (1, 1)): 'Eltwise', ((2, None), (1, None)): 'Filter',
    ((3, 3), (1, 1)): 'ContrastiveLoss', ((3, 3), (2, 2)): 'LSTMUnit'}


def test_bottoms_and_tops() -> None:
    found = {name: (row.bottoms, row.tops) for name, row in LAYER_TYPES.items()}
    assert found == {name: arity for arity, names in ARITIES.items() for name in names.split()}


@pytest.mark.parametrize('claim,names', [
    ('pointwise', 'AbsVal BNLL BatchNorm Bias Clip Concat Dropout ELU Eltwise Exp LRN Log PReLU '
                  'Power ReLU Scale Sigmoid Softmax Swish TanH Threshold'),
    ('copies', 'Dropout Split'), ('params_alone', 'Embed Parameter'),
    ('weighted', 'Convolution Deconvolution Embed InnerProduct')])
def test_who_makes_a_claim(claim: str, names: str) -> None:
    assert {name for name, row in LAYER_TYPES.items() if getattr(row, claim)} == {*names.split()}
