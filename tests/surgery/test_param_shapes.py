"""Parameter shapes against those that Caffe recorded, layer by layer, and known sizes."""

import json
from math import prod
from pathlib import Path

import numpy as np
import pytest

from netspec.families import make_net
from netspec.families.fcn import fcn
from netspec.schema import parse_net, read_net
from netspec.variants import VARIANTS
from surgery.shapes import blank, drawn_layers, param_shapes

GOLDEN = Path(__file__).resolve().parents[1] / 'golden' / 'layers'
# Of nets that overwrite what a layer saved, the statistics of BatchNorm were not recorded.
CASES = sorted(path.stem for path in GOLDEN.glob('*.prototxt')
               if not path.stem.startswith('overwritten'))
DATA = 'layer { name: "data" type: "Python" top: "data" top: "label" }\n'


def recorded_shapes(path: Path) -> dict[str, list[tuple[int, ...]]]:
    with np.load(path) as numbers:
        keys = [key.split(':') for key in numbers.files if key.startswith('param:')]
        return {layer: [numbers[f'param:{layer}:{i}'].shape
                        for i in sorted(int(i) for _, name, i in keys if name == layer)]
                for layer in dict.fromkeys(name for _, name, _ in keys)}


@pytest.mark.parametrize('case', CASES)
def test_shapes_are_those_that_caffe_made(case):
    net = read_net(GOLDEN / f'{case}.prototxt')
    assert param_shapes(net) == recorded_shapes(GOLDEN / f'{case}.npz')


@pytest.mark.data
def test_shapes_of_every_recorded_case(shared):
    for path in sorted((shared / 'oracle' / 'layers').glob('*.prototxt')):
        assert param_shapes(read_net(path)) == recorded_shapes(path.with_suffix('.npz')), path


@pytest.mark.parametrize('name', VARIANTS)
def test_training_and_deploy_nets_agree(name):
    deploy = param_shapes(make_net(name, 'deploy'))
    assert param_shapes(make_net(name, VARIANTS[name].splits[0].file)) == deploy
    assert param_shapes(make_net(name, VARIANTS[name].splits[1].file)) == deploy


def test_vgg16s_published_count():
    """VGG16's 138,357,544 parameters less fc8's 4,097,000 stand in FCN-32s' trunk."""
    shapes = param_shapes(fcn('voc-fcn32s', 'deploy'))
    trunk = sum(prod(shape) for layer, blobs in shapes.items() for shape in blobs
                if 'score' not in layer)
    assert trunk == 138357544 - 4097000


@pytest.mark.parametrize('name,layer,shape', [
    ('voc-fcn-alexnet', 'conv2', (256, 48, 5, 5)), ('voc-fcn-alexnet', 'fc6', (4096, 256, 6, 6)),
    ('voc-fcn-alexnet', 'upscore', (21, 21, 63, 63)),
    ('nyud-fcn32s-color-d', 'conv1_1_bgrd', (64, 4, 3, 3)),
    ('nyud-fcn32s-color-hha', 'conv1_1hha', (64, 3, 3, 3)),
    ('siftflow-fcn8s', 'score_pool3_geo', (3, 256, 1, 1)),
    ('voc-fcn8s-atonce', 'scale_pool4', (512,))])
def test_shapes_of_the_odd_ones(name, layer, shape):
    assert param_shapes(fcn(name, 'deploy'))[layer][0] == shape


def test_inner_product_needs_the_size():
    layer = ('layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" '
             'inner_product_param { num_output: 2 } }')
    with pytest.raises(ValueError, match="layer 'fc' .*give the net an Input layer"):
        param_shapes(parse_net(DATA + layer))
    sized = 'input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 5\n'
    assert param_shapes(parse_net(sized + layer)) == {'fc': [(2, 60), (2,)]}


def test_an_old_net_is_understood():
    text = ('input: "data" input_dim: 1 input_dim: 3 input_dim: 9 input_dim: 9\n'
            'layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" '
            'convolution_param { num_output: 2 kernel_size: 3 } }')
    assert param_shapes(parse_net(text)) == {'c': [(2, 3, 3, 3), (2,)]}


@pytest.mark.parametrize('text,says', [
    ('layer { name: "c" type: "Convolution" bottom: "dota" convolution_param { num_output: 2 } }',
     "layer 'c': no layer before it makes bottom 'dota'; did you mean 'data'"),
    ('layer { name: "c" type: "Convolution" bottom: "data" '
     'convolution_param { num_output: 4 group: 2 kernel_size: 1 } }',
     "layer 'c' .*group 2 must divide"),
    ('layer { name: "r" type: "LSTM" bottom: "data" }', 'does not follow from the prototxt'),
    ('layer { name: "p" type: "Python" bottom: "data" top: "p" }\n'
     'layer { name: "c" type: "Convolution" bottom: "p" convolution_param { num_output: 2 } }',
     "layer 'c' .*does not follow")])
def test_what_does_not_follow_is_named(text, says):
    with pytest.raises(ValueError, match=says):
        param_shapes(parse_net(DATA + text))


def test_blank_starts_at_constant_fillers():
    text = DATA + '''
layer { name: "c" type: "Convolution" bottom: "data" top: "c" convolution_param {
  num_output: 2 kernel_size: 1 weight_filler { type: "xavier" }
  bias_filler { type: "constant" value: 3 } } }
layer { name: "s" type: "Scale" bottom: "c" top: "c" }
layer { name: "t" type: "Scale" bottom: "c" top: "c" scale_param { filler { value: 0.5 }
  bias_term: true } }
layer { name: "p" type: "PReLU" bottom: "c" top: "c" }'''
    weights = blank(parse_net(text))
    values = {layer: [json.loads(str(np.unique(blob)[0])) for blob in blobs]
              for layer, blobs in weights.items()}
    assert values == {'c': [0, 3], 's': [1], 't': [.5, 0], 'p': [.25]}
    assert weights.types['p'] == 'PReLU' and weights['c'][0].dtype == np.float32


def test_blobs_shared_by_name_are_one_array():
    layer = ('layer {{ name: "{0}" type: "Convolution" bottom: "data" top: "{0}" '
             'param {{ name: "w" }} convolution_param {{ num_output: 2 kernel_size: 1 }} }}')
    weights = blank(parse_net(DATA + layer.format('a') + layer.format('b')))
    assert weights['a'][0] is weights['b'][0] and weights['a'][1] is not weights['b'][1]


def test_drawn_layers():
    net = parse_net("""input: "x" input_shape { dim: 1 dim: 3 dim: 4 dim: 4 }
        layer { name: "a" type: "Convolution" bottom: "x" top: "a"
                convolution_param { num_output: 1 weight_filler { type: "gaussian" } } }
        layer { name: "b" type: "Convolution" bottom: "x" top: "b"
                convolution_param { num_output: 1 bias_filler { type: "uniform" } } }
        layer { name: "c" type: "InnerProduct" bottom: "x" top: "c"
                inner_product_param { num_output: 1 weight_filler { type: "xavier" } } }
        layer { name: "up" type: "Deconvolution" bottom: "x" top: "up"
                convolution_param { weight_filler { type: "bilinear" } } }""")
    assert drawn_layers(net) == ['a', 'c']
