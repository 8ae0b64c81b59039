"""V1 nets, inputs, BatchNorm and solvers into the present format: expectations derived by hand
from Caffe's upgrade_proto.cpp.
"""

import numpy as np
import pytest

from netspec.schema.blobs import array_blob, blob_array
from netspec.schema.messages import (
    LayerParameter,
    NetParameter,
    SolverParameter,
    V1LayerParameter,
)
from netspec.schema.prototxt import parse_net
from netspec.schema.text import parse
from netspec.schema.upgrade import (
    SOLVER_TYPES,
    V2_TYPES,
    complete_snapshot_prefix,
    net_needs_upgrade,
    solver_needs_upgrade,
    upgrade_net,
    upgrade_solver,
)


def net(text: str) -> NetParameter:
    return parse(text, NetParameter())


def upgraded(text: str, lines: list[int] | None = None) -> NetParameter:
    old = net(text)
    assert net_needs_upgrade(old)
    new = upgrade_net(old, lines)
    assert new is old and not net_needs_upgrade(new)
    return new


def test_a_net_of_today_is_left_alone():
    text = '''name: "n" force_backward: true layer { name: "a" type: "Data"
              data_param { scale: 2 mean_file: "m" } } layer { type: "BatchNorm" param { } }'''
    assert not net_needs_upgrade(net(text))
    assert upgrade_net(net(text)) == net(text)


def test_every_v1_type_has_the_name_of_today():
    names = {value.name for value in V1LayerParameter.LayerType.DESCRIPTOR.values}
    assert names == set(V2_TYPES)
    for name, now in V2_TYPES.items():
        assert upgraded(f'layers {{ type: {name} }}').layer[0] == LayerParameter(type=now)
    assert V2_TYPES['SOFTMAX_LOSS'] == 'SoftmaxWithLoss' and V2_TYPES['TANH'] == 'TanH'


def test_a_v1_layer_keeps_what_it_has():
    old = '''name: "n" state { level: 2 } debug_info: true layers {
        name: "ip" type: INNER_PRODUCT bottom: "a" bottom: "b" top: "t" loss_weight: [1, 0.5]
        include { phase: TRAIN stage: "s" } exclude { min_level: 3 }
        inner_product_param { num_output: 10 weight_filler { type: "xavier" } }
        transform_param { scale: 2 } loss_param { ignore_label: 255 } }'''
    assert upgraded(old) == net(old.replace('layers {', 'layer {')
                                .replace('INNER_PRODUCT', '"InnerProduct"'))


def test_v1_multipliers_names_and_share_modes_become_params():
    layer = upgraded('''layers { param: "w" param: "b" blob_share_mode: PERMISSIVE
                        blobs_lr: 1 blobs_lr: 2 blobs_lr: 3 weight_decay: 1 weight_decay: 0 }
                     ''').layer[0]
    assert layer == parse('''param { name: "w" share_mode: PERMISSIVE lr_mult: 1 decay_mult: 1 }
                             param { name: "b" lr_mult: 2 decay_mult: 0 } param { lr_mult: 3 }''',
                          LayerParameter())


def test_every_v1_option_has_a_field_of_its_name_today():
    ours = {field.name for field in V1LayerParameter.DESCRIPTOR.fields} - {
        'type', 'layer', 'param', 'blob_share_mode', 'blobs_lr', 'weight_decay',
        'strict_dim', 'softmaxloss_param'}
    for name in ours:
        old = V1LayerParameter.DESCRIPTOR.fields_by_name[name]
        new = LayerParameter.DESCRIPTOR.fields_by_name[name]
        assert (old.type, old.message_type) == (new.type, new.message_type)


def test_v1_blobs_travel_along():
    weights = np.arange(6, dtype=np.float32).reshape(2, 3)
    old = NetParameter()
    old.layers.add(name='ip', blobs=[array_blob(weights), array_blob(weights[0])])
    blobs = upgrade_net(old).layer[0].blobs
    np.testing.assert_array_equal(blob_array(blobs[0]), weights)
    assert len(blobs) == 2


@pytest.mark.parametrize(('kind', 'options'), [
    ('DATA', 'data_param'), ('IMAGE_DATA', 'image_data_param'),
    ('WINDOW_DATA', 'window_data_param')])
def test_data_transformations_move_into_their_own_message(kind, options):
    new = upgraded(f'''layers {{ type: {kind} {options} {{ source: "s" batch_size: 4 scale: 0.5
        mean_file: "m" crop_size: 227 mirror: true }} transform_param {{ mean_value: 3 }} }}''')
    assert new == net(f'''layer {{ type: "{V2_TYPES[kind]}" {options} {{ source: "s"
        batch_size: 4 }} transform_param {{ scale: 0.5 mean_file: "m" crop_size: 227 mirror: true
        mean_value: 3 }} }}''')


def test_one_data_layer_to_transform_gives_all_of_them_the_message():
    """As Caffe does: its macro asks for both messages of each data layer."""
    new = upgraded('''layers { type: DATA data_param { mirror: false } }
                      layers { type: WINDOW_DATA } layers { type: HDF5_DATA }''')
    assert new == net('''layer { type: "Data" data_param { } transform_param { mirror: false } }
                         layer { type: "WindowData" window_data_param { } transform_param { } }
                         layer { type: "HDF5Data" }''')


def test_both_formats_in_one_net_are_refused():
    with pytest.raises(ValueError, match=r"both 'layer' \('b', ...\) and 'layers' \('a', ...\)"):
        upgrade_net(net('layers { name: "a" } layer { name: "b" }'))


def test_inputs_with_dims_become_an_input_layer_in_front():
    lines = [7]
    assert upgraded('''input: "a" input: "b" input_dim: [1, 3, 5, 7, 2, 1, 1, 1]
                       layer { name: "c" }''', lines) == net('''
        layer { name: "input" type: "Input" top: "a" top: "b" input_param {
                shape { dim: [1, 3, 5, 7] } shape { dim: [2, 1, 1, 1] } } }
        layer { name: "c" }''')
    assert lines == [0, 7]


def test_inputs_with_shapes_become_an_input_layer_and_shapes_come_before_dims():
    assert upgraded('''input: "a" input_shape { dim: [2, 3] } input_shape { dim: 9 }
                       input_dim: [1, 1, 1, 1]''') == net('''
        layer { name: "input" type: "Input" top: "a" input_param { shape { dim: [2, 3] } } }''')


def test_inputs_without_shapes_are_those_of_a_caffemodel_and_go():
    assert upgraded('input: "a" layer { name: "c" }') == net('layer { name: "c" }')


@pytest.mark.parametrize(('text', 'what'), [
    ('input: ["a", "b"] input_dim: [1, 2, 3, 4]', 'has 2 input and 4 input_dim; expected four'),
    ('input: ["a", "b"] input_shape { }', 'has 2 input and 1 input_shape; expected a shape')])
def test_inputs_without_enough_shapes_are_refused(text, what):
    with pytest.raises(ValueError, match=what):
        upgrade_net(net(text))


def test_batch_norm_statistics_are_taken_from_the_solver():
    assert upgraded('''layer { type: "BatchNorm" param { lr_mult: 1 } param { name: "v" } param { }
                       } layer { type: "BatchNorm" param { lr_mult: 0 } }
                       layer { type: "Scale" param { } param { } param { } }''').layer[0] == parse(
        '''type: "BatchNorm" param { lr_mult: 0 decay_mult: 0 }
           param { name: "v" lr_mult: 0 decay_mult: 0 } param { lr_mult: 0 decay_mult: 0 }''',
        LayerParameter())


def test_batch_norm_fixed_already_is_left_alone():
    fixed = 'param { lr_mult: 0 decay_mult: 0 }'
    assert not net_needs_upgrade(net(f'layer {{ type: "BatchNorm" {fixed * 3} }}'))


def test_all_steps_after_each_other():
    new = upgraded('''name: "old" input: "data" input_dim: [1, 3, 9, 9]
        layers { bottom: "data" top: "p" layer { type: "padding" pad: 1 } }
        layers { bottom: "p" top: "c" layer { name: "c" type: "conv" num_output: 2 kernelsize: 3
                 blobs_lr: 1 blobs_lr: 2 weight_decay: 1 weight_decay: 0 } }
        layers { top: "d" layer { name: "d" type: "data" source: "s" scale: 2 } }''')
    assert new == net('''name: "old"
        layer { name: "input" type: "Input" top: "data"
                input_param { shape { dim: [1, 3, 9, 9] } } }
        layer { name: "c" type: "Convolution" bottom: "data" top: "c"
                param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 decay_mult: 0 }
                convolution_param { num_output: 2 kernel_size: 3 pad: 1 } }
        layer { name: "d" type: "Data" top: "d" data_param { source: "s" }
                transform_param { scale: 2 } }''')


def test_the_solvers_enum_becomes_its_type():
    names = {value.name for value in SolverParameter.SolverType.DESCRIPTOR.values}
    assert names == set(SOLVER_TYPES)
    for name, now in SOLVER_TYPES.items():
        solver = parse(f'base_lr: 1 solver_type: {name}', SolverParameter())
        assert solver_needs_upgrade(solver)
        assert upgrade_solver(solver) == SolverParameter(base_lr=1, type=now)
        assert not solver_needs_upgrade(solver)
    assert [SOLVER_TYPES[name] for name in ('NESTEROV', 'ADAGRAD', 'RMSPROP', 'ADADELTA')] == [
        'Nesterov', 'AdaGrad', 'RMSProp', 'AdaDelta']


def test_a_solver_of_today_is_left_alone():
    solver = SolverParameter(type='Adam')
    assert upgrade_solver(solver) == SolverParameter(type='Adam')


def test_a_solver_with_both_types_is_refused():
    with pytest.raises(ValueError, match=r"both solver_type \(ADAM\) and type \('SGD'\)"):
        upgrade_solver(parse('solver_type: ADAM type: "SGD"', SolverParameter()))


def test_snapshots_are_named_after_the_solver_if_after_nothing_else(tmp_path):
    path = tmp_path / 'dir' / 'my.solver.prototxt'

    def prefix(**fields) -> str:
        return complete_snapshot_prefix(SolverParameter(**fields), path).snapshot_prefix
    assert prefix() == f'{tmp_path}/dir/my.solver'
    assert prefix(snapshot_prefix=str(tmp_path)) == f'{tmp_path}/my.solver'
    assert prefix(snapshot_prefix='snapshot/train') == 'snapshot/train'


def test_deeplabs_first_fork_becomes_the_present_form():
    new = upgraded('''
        layers { name: "data" type: IMAGE_SEG_DATA top: "data" top: "label"
                 image_data_param { source: "l" label_type: PIXEL }
                 transform_param { crop_size: 9 } }
        layers { name: "fc6" type: CONVOLUTION bottom: "data" top: "fc6" strict_dim: false
                 blobs_lr: 1 convolution_param { num_output: 2 kernel_size: 3 hole: 12 } }
        layers { name: "p" type: PADDING padding_param { pad_beg: -7 } }
        layers { name: "shrink" type: INTERP interp_param { shrink_factor: 8 pad_beg: 0 } }
        layers { name: "loss" type: SOFTMAX_LOSS softmaxloss_param { ignore_label: 255 } }
        layers { name: "plain" type: SOFTMAX_LOSS softmaxloss_param { } }
        layers { name: "two" type: SOFTMAX_LOSS softmaxloss_param { ignore_label: [0, 255] } }
        layers { name: "acc" type: SEG_ACCURACY seg_accuracy_param { ignore_label: 255 } }
        layers { name: "mat" type: MAT_WRITE mat_write_param { prefix: "p" strip: 0 } }
        layers { name: "crf" type: DENSE_CRF dense_crf_param { pos_w: 3 bi_w: 5 } }
        layers { name: "bias" type: BIAS_CHANNEL bias_channel_param { fg_bias: 6 } }
        layers { name: "read" type: MAT_READ mat_read_param { prefix: "p" } }''')
    assert new == net('''
        layer { name: "data" type: "ImageSegData" top: "data" top: "label"
                image_data_param { source: "l" label_type: PIXEL }
                transform_param { crop_size: 9 } }
        layer { name: "fc6" type: "Convolution" bottom: "data" top: "fc6" param { lr_mult: 1 }
                convolution_param { num_output: 2 kernel_size: 3 dilation: 12 } }
        layer { name: "p" type: "Padding" padding_param { pad_beg: -7 } }
        layer { name: "shrink" type: "Interp" interp_param { shrink_factor: 8 pad_beg: 0 } }
        layer { name: "loss" type: "SoftmaxWithLoss" loss_param { ignore_label: 255 } }
        layer { name: "plain" type: "SoftmaxWithLoss" }
        layer { name: "two" type: "SoftmaxWithLoss" softmaxloss_param { ignore_label: [0, 255] } }
        layer { name: "acc" type: "SegAccuracy" seg_accuracy_param { ignore_label: 255 } }
        layer { name: "mat" type: "MatWrite" mat_write_param { prefix: "p" strip: 0 } }
        layer { name: "crf" type: "DenseCRF" dense_crf_param { pos_w: 3 bi_w: 5 } }
        layer { name: "bias" type: "BiasChannel" bias_channel_param { fg_bias: 6 } }
        layer { name: "read" type: "MatRead" mat_read_param { prefix: "p" } }''')
    assert not net_needs_upgrade(new)


@pytest.mark.parametrize('form', ['layers { type: CONVOLUTION', 'layer { type: "Convolution"'])
def test_a_hole_of_two_sides_is_a_dilation_of_two(form):
    new = upgraded(f'{form} convolution_param {{ hole_w: 3 hole_h: 2 }} }}')
    assert list(new.layer[0].convolution_param.dilation) == [2, 3]
    assert new == net('layer { type: "Convolution" convolution_param { dilation: 2 dilation: 3 } }')


@pytest.mark.parametrize(('options', 'match'), [
    ('convolution_param { hole: 2 dilation: 2 }', 'has hole, dilation; expected one of'),
    ('convolution_param { hole: 2 hole_h: 2 hole_w: 2 }', 'has hole, hole_h, hole_w'),
    ('convolution_param { hole_h: 2 }', 'has hole_h; expected')])
def test_what_has_no_present_form_is_refused_with_its_line(options, match):
    with pytest.raises(ValueError, match=rf"x.prototxt:2: layer 'c'.*{match}"):
        parse_net(f'layers {{ type: RELU name: "r" }}\nlayers {{ name: "c" {options} }}',
                  'x.prototxt')
