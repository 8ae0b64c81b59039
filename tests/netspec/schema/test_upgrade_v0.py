"""V0 nets into V1: expectations derived by hand from Caffe's upgrade_proto.cpp."""

import logging

import numpy as np
import pytest

from netspec.schema.blobs import array_blob, blob_array
from netspec.schema.messages import NetParameter, V0LayerParameter, V1LayerParameter
from netspec.schema.text import parse
from netspec.schema.upgrade_v0 import MOVES, V1_TYPES, needs_v0, upgrade_v0


def upgraded(text: str, lines: list[int] | None = None) -> NetParameter:
    net = parse(text, NetParameter())
    assert needs_v0(net)
    upgrade_v0(net, lines)
    assert not needs_v0(net)
    return net


def one(v0: str, around: str = '') -> V1LayerParameter:
    return upgraded(f'layers {{ {around} layer {{ {v0} }} }}').layers[0]


LAYERS = {
    'conv': ('''name: "c" type: "conv" num_output: 8 biasterm: false pad: 1 kernelsize: 3 group: 2
                stride: 4 weight_filler { type: "gaussian" std: 0.01 } bias_filler { value: 1 }
                blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0''',
             '''name: "c" type: CONVOLUTION blobs_lr: [1, 2] weight_decay: [1, 0]
                convolution_param { num_output: 8 bias_term: false pad: 1 kernel_size: 3 group: 2
                stride: 4 weight_filler { type: "gaussian" std: 0.01 } bias_filler { value: 1 } }
             '''),
    'innerproduct': ('''name: "i" type: "innerproduct" num_output: 9 biasterm: true
                        weight_filler { } bias_filler { type: "constant" }''',
                     '''name: "i" type: INNER_PRODUCT inner_product_param { num_output: 9
                        bias_term: true weight_filler { } bias_filler { type: "constant" } }'''),
    'pool': ('type: "pool" pool: AVE kernelsize: 3 stride: 2 pad: 1',
             'type: POOLING pooling_param { pool: AVE kernel_size: 3 stride: 2 pad: 1 }'),
    'dropout': ('type: "dropout" dropout_ratio: 0.4',
                'type: DROPOUT dropout_param { dropout_ratio: 0.4 }'),
    'lrn': ('type: "lrn" local_size: 3 alpha: 0.1 beta: 0.5 k: 2',
            'type: LRN lrn_param { local_size: 3 alpha: 0.1 beta: 0.5 k: 2 }'),
    'data': ('''type: "data" source: "db" meanfile: "m" batchsize: 10 cropsize: 227 mirror: true
                scale: 0.5 rand_skip: 3''',
             '''type: DATA data_param { source: "db" batch_size: 10 rand_skip: 3 }
                transform_param { mean_file: "m" crop_size: 227 mirror: true scale: 0.5 }'''),
    'hdf5_data': ('type: "hdf5_data" source: "l" batchsize: 10 scale: 2',
                  '''type: HDF5_DATA hdf5_data_param { source: "l" batch_size: 10 }
                     transform_param { scale: 2 }'''),
    'images': ('''type: "images" source: "l" batchsize: 2 rand_skip: 1 shuffle_images: true
                  new_height: 8 new_width: 9''',
               '''type: IMAGE_DATA image_data_param { source: "l" batch_size: 2 rand_skip: 1
                  shuffle: true new_height: 8 new_width: 9 }'''),
    'window_data': ('''type: "window_data" source: "w" batchsize: 2 det_fg_threshold: 0.4
                       det_bg_threshold: 0.3 det_fg_fraction: 0.2 det_context_pad: 16
                       det_crop_mode: "square"''',
                    '''type: WINDOW_DATA window_data_param { source: "w" batch_size: 2
                       fg_threshold: 0.4 bg_threshold: 0.3 fg_fraction: 0.2 context_pad: 16
                       crop_mode: "square" }'''),
    'concat': ('type: "concat" concat_dim: 2', 'type: CONCAT concat_param { concat_dim: 2 }'),
    'infogain_loss': ('type: "infogain_loss" source: "h"',
                      'type: INFOGAIN_LOSS infogain_loss_param { source: "h" }'),
    'hdf5_output': ('type: "hdf5_output" hdf5_output_param { file_name: "o" }',
                    'type: HDF5_OUTPUT hdf5_output_param { file_name: "o" }'),
    'relu': ('name: "r" type: "relu"', 'name: "r" type: RELU'),
    'no type': ('name: "n"', 'name: "n"'),
}


@pytest.mark.parametrize(('old', 'new'), LAYERS.values(), ids=LAYERS.keys())
def test_each_option_moves_into_the_message_of_its_type(old, new):
    assert one(old) == parse(new, V1LayerParameter())


def test_every_v0_type_has_a_v1_type():
    for old, new in V1_TYPES.items():
        assert one(f'type: "{old}"').type == V1LayerParameter.LayerType.Value(new)


def test_every_v0_field_is_provided_for():
    """new_num and new_channels were for a type that had gone before V1 came; Caffe drops them."""
    ours = {*MOVES, 'name', 'type', 'blobs', 'blobs_lr', 'weight_decay', 'hdf5_output_param',
            'new_num', 'new_channels'}
    assert {field.name for field in V0LayerParameter.DESCRIPTOR.fields} == ours


def test_every_move_names_fields_that_exist():
    for target, owners in MOVES.values():
        for owner in owners.values():
            options = V1LayerParameter.DESCRIPTOR.fields_by_name[owner].message_type
            assert target in options.fields_by_name


def test_bottoms_tops_and_blobs_are_kept():
    weights = np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)
    net = NetParameter(input=['data'])
    net.layers.add(bottom=['data'], top=['i']).layer.MergeFrom(
        V0LayerParameter(name='i', type='innerproduct', blobs=[array_blob(weights)]))
    upgrade_v0(net)
    layer = net.layers[0]
    assert (list(layer.bottom), list(layer.top), layer.name) == (['data'], ['i'], 'i')
    np.testing.assert_array_equal(blob_array(layer.blobs[0]), weights)


def test_options_that_a_type_lacks_are_dropped_with_a_warning(caplog):
    with caplog.at_level(logging.WARNING, 'netspec.schema'):
        layer = one('name: "r" type: "relu" num_output: 3 kernelsize: 2 '
                    'hdf5_output_param { file_name: "o" }')
    assert layer == V1LayerParameter(name='r', type=V1LayerParameter.RELU)
    assert [record.getMessage() for record in caplog.records] == [
        f"layer 'r': a V0 layer of type 'relu' has no {name}; dropped, as Caffe does"
        for name in ('hdf5_output_param', 'num_output', 'kernelsize')]


def test_of_the_net_only_name_inputs_and_force_backward_stay(caplog):
    net = upgraded('''name: "n" input: "a" input_dim: [1, 2, 3, 4] force_backward: true
                      debug_info: true state { } layers { layer { type: "split" } }''')
    assert net == parse('''name: "n" input: "a" input_dim: [1, 2, 3, 4] force_backward: true
                           layers { type: SPLIT }''', NetParameter())
    assert [record.args for record in caplog.records] == [('state',), ('debug_info',)]


PADDED = '''
input: "data"
layers { bottom: "data" top: "pad" layer { name: "pad1" type: "padding" pad: 2 } }
layers { bottom: "pad" top: "conv" layer { name: "conv1" type: "conv" kernelsize: 5 } }
layers { bottom: "conv" top: "conv" layer { name: "relu1" type: "relu" } }
layers { bottom: "pad" top: "pool" layer { name: "pool1" type: "pool" kernelsize: 3 } }
'''


def test_padding_layers_are_merged_into_their_readers():
    lines = [3, 4, 5, 6]
    assert upgraded(PADDED, lines) == parse('''
        input: "data"
        layers { bottom: "data" top: "conv" name: "conv1" type: CONVOLUTION
                 convolution_param { kernel_size: 5 pad: 2 } }
        layers { bottom: "conv" top: "conv" name: "relu1" type: RELU }
        layers { bottom: "data" top: "pool" name: "pool1" type: POOLING
                 pooling_param { kernel_size: 3 pad: 2 } }''', NetParameter())
    assert lines == [4, 5, 6]


def test_the_last_maker_of_a_blob_counts():
    """A layer in place behind the padding hides it: Caffe merges no pad into what follows."""
    net = upgraded('''input: "x"
        layers { bottom: "x" top: "p" layer { type: "padding" pad: 1 } }
        layers { bottom: "p" top: "p" layer { type: "pool" } }
        layers { bottom: "p" top: "c" layer { type: "conv" } }''')
    assert list(net.layers[0].bottom) == ['x'] and net.layers[0].pooling_param.pad == 1
    assert list(net.layers[1].bottom) == ['p']
    assert not net.layers[1].convolution_param.pad


PAD = 'layers { bottom: "x" top: "p" layer { name: "pad" type: "padding" } }'


@pytest.mark.parametrize(('text', 'index', 'what'), [
    ('input: "x" layers { bottom: "y" layer { name: "a" type: "conv" } }', 0,
     "layer 'a': bottom 'y' is made by no layer"),
    (f'input: "x" {PAD} layers {{ bottom: "p" layer {{ name: "r" type: "relu" }} }}', 1,
     "layer 'r' of type 'relu' reads the padding layer 'pad'; expected a conv or a pool"),
    (f'input: ["x", "y"] {PAD} layers {{ bottom: ["y", "p"] layer {{ name: "c" type: "conv" }} }}',
     1, "layer 'c' has 2 bottoms; expected 1"),
    (f'input: ["x", "y"] {PAD.replace("layer {", """bottom: "y" layer {""")}'
     'layers { bottom: "p" layer { name: "c" type: "conv" } }', 1, "layer 'pad' has 2 bottoms"),
    (f'input: "x" {PAD.replace("layer {", """top: "q" layer {""")}'
     'layers { bottom: "p" layer { name: "c" type: "conv" } }', 1, "layer 'pad' has 2 tops"),
    ('layers { layer { name: "a" type: "convv" } }', 0,
     "layer 'a': unknown V0 layer type 'convv'; expected one of accuracy, .*did you mean 'conv'"),
    ('layers { layer { type: "relu" } } layers { name: "b" type: RELU }', 1,
     "layer 'b' has no inner `layer { }` though others of its net have")])
def test_what_caffe_refuses_is_refused(text, index, what):
    with pytest.raises(ValueError, match=what) as caught:
        upgraded(text)
    assert caught.value.index == index
