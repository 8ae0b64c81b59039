"""The generator language against messages written out by hand."""

import copy

import pytest

from netspec import NetSpec, params, to_proto
from netspec import layers as L
from netspec import params as P
from netspec.schema import messages, parse_net
from netspec.spec import Function, Top, UnknownNameError, assign_proto, param_name_dict


def conv_net(**options) -> messages.NetParameter:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 3, 8, 8]))
    n.conv = L.Convolution(n.data, **options)
    return n.to_proto()


def conv(**options) -> messages.LayerParameter:
    return conv_net(**options).layer[1]


def test_a_net_is_the_message_written_by_hand():
    n = NetSpec()
    n.data, n.label = L.Python(module='m', layer='Data', ntop=2, param_str='{}')
    n.conv1 = L.Convolution(n.data, kernel_size=[3, 5], num_output=2, weight_filler=dict(
        type='xavier'), param=[dict(lr_mult=1, decay_mult=1), dict(lr_mult=2)])
    n.relu1 = L.ReLU(n.conv1, in_place=True)
    n['pool1'] = L.Pooling(n['relu1'], pool=P.Pooling.AVE, kernel_size=2)
    n.loss = L.SoftmaxWithLoss(n.pool1, n.label, loss_weight=2, loss_param=dict(ignore_label=9))
    n.quiet = L.Silence(n.label, ntop=0)
    assert n.to_proto() == parse_net('''
        layer { name: "data" type: "Python" top: "data" top: "label"
                python_param { module: "m" layer: "Data" param_str: "{}" } }
        layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1"
                param { lr_mult: 1 decay_mult: 1 } param { lr_mult: 2 }
                convolution_param { num_output: 2 kernel_size: 3 kernel_size: 5
                                    weight_filler { type: "xavier" } } }
        layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
        layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
                pooling_param { pool: AVE kernel_size: 2 } }
        layer { name: "loss" type: "SoftmaxWithLoss" bottom: "pool1" bottom: "label" top: "loss"
                loss_weight: 2 loss_param { ignore_label: 9 } }
        layer { name: "quiet" type: "Silence" bottom: "label" }''')


def test_automatic_names_count_by_type():
    data, label = L.DummyData(ntop=2)
    one = L.Convolution(data, num_output=1)
    two = L.ReLU(L.Convolution(one, num_output=1), in_place=True)
    net = to_proto(L.SoftmaxWithLoss(two, label), L.Silence(label, ntop=0))
    assert [(x.name, list(x.bottom), list(x.top)) for x in net.layer] == [
        ('DummyData1', [], ['DummyData1', 'DummyData2']),
        ('Convolution1', ['DummyData1'], ['Convolution1']),
        ('Convolution2', ['Convolution1'], ['Convolution2']),
        ('ReLU1', ['Convolution2'], ['Convolution2']),
        ('SoftmaxWithLoss1', ['Convolution2', 'DummyData2'], ['SoftmaxWithLoss1']),
        ('Silence1', ['DummyData2'], [])]


def test_one_top_gives_what_it_needs_and_no_more():
    n = NetSpec()
    n.data = L.Input()
    n.used, n.unused = L.ReLU(n.data), L.TanH(n.data)
    assert [x.type for x in n.used.to_proto().layer] == ['Input', 'ReLU']
    assert [x.type for x in n.unused.fn.to_proto().layer] == ['Input', 'TanH']


def test_layers_stand_in_the_order_of_assignment_unnamed_ones_before_their_reader():
    n = NetSpec()
    n.b = L.Input()
    n.a = L.ReLU(L.AbsVal(n.b))
    n.c = L.ReLU(n.b)
    assert [x.name for x in n.to_proto().layer] == ['b', 'AbsVal1', 'a', 'c']


def test_thousands_of_unnamed_layers():
    top = L.Input()
    for _ in range(3000):
        top = L.ReLU(top)
    assert len(top.to_proto().layer) == 3001


def test_name_keyword_names_the_layer_and_the_attribute_its_top():
    n = NetSpec()
    n.data = L.Input(name='input')
    assert (n.to_proto().layer[0].name, list(n.to_proto().layer[0].top)) == ('input', ['data'])


def test_a_keyword_belongs_to_the_type_first_then_to_the_layer():
    layer = conv(num_output=4, kernel_size=3, include=dict(phase=messages.TRAIN),
                 propagate_down=[False])
    assert (layer.convolution_param.num_output, list(layer.convolution_param.kernel_size)) == (
        4, [3])
    assert layer.include[0].phase == messages.TRAIN and list(layer.propagate_down) == [False]


def test_composite_keywords_tuples_and_messages():
    filler = messages.FillerParameter(type='gaussian', std=0.5)
    layer = conv(convolution_param=dict(num_output=3, kernel_size=(1, 2), weight_filler=filler))
    assert list(layer.convolution_param.kernel_size) == [1, 2]
    assert layer.convolution_param.weight_filler == filler


@pytest.mark.parametrize('type_name, message', [
    ('Deconvolution', 'convolution_param'), ('Im2col', 'convolution_param'),
    ('LSTM', 'recurrent_param')])
def test_types_that_borrow_another_message(type_name, message):
    layer = getattr(L, type_name)(L.Input(), **(
        dict(num_output=7))).to_proto().layer[1]
    assert getattr(layer, message).num_output == 7


def test_param_names_by_type():
    names = param_name_dict()
    assert (names['InnerProduct'], names['ArgMax'], names['LRN']) == (
        'inner_product', 'argmax', 'lrn')


def test_constants():
    assert (P.Pooling.AVE, P.Eltwise.SUM, params.LRN.WITHIN_CHANNEL) == (1, 1, 1)


def test_function_keeps_its_parts_and_leaves_the_callers_dict():
    given = dict(ntop=2, in_place=False, phase=0)
    fn = Function('Data', (), given)
    assert (fn.ntop, fn.in_place, fn.params) == (2, False, dict(phase=0))
    assert [(top.fn is fn, top.n) for top in fn.tops] == [(True, 0), (True, 1)]
    assert given == dict(ntop=2, in_place=False, phase=0)


def test_assign_proto_fills_a_solver():
    solver = messages.SolverParameter()
    assign_proto(solver, 'test_iter', 3)
    assign_proto(solver, 'net_param', dict(name='x', layer=[dict(type='ReLU')]))
    assert list(solver.test_iter) == [3] and solver.net_param.layer[0].type == 'ReLU'


def test_a_spec_can_be_copied():
    n = NetSpec()
    n.data = L.Input()
    assert copy.copy(n).data is n.data


def test_a_bottom_that_is_no_top():
    data = L.DummyData(ntop=2)
    with pytest.raises(TypeError, match=r"^Silence input 0 is not a Top \(type is <class 'tuple'>"):
        L.Silence(data, ntop=0)


def test_a_tuple_of_tops_under_one_name():
    with pytest.raises(TypeError, match='x is set to .*tuple.*unpacked'):
        NetSpec().x = L.DummyData(ntop=2)


@pytest.mark.parametrize('options, error, text', [
    (dict(kernal_size=3), UnknownNameError, "'conv'.*'kernal_size'; did you mean 'kernel_size'"),
    (dict(parm=[]), UnknownNameError, "did you mean 'param'"),
    (dict(weight_filler=dict(typ='x')), UnknownNameError,
     "FillerParameter has no field 'typ'; did you mean 'type'"),
    (dict(num_output='a'), TypeError, "'conv': ConvolutionParameter.num_output is given 'a'"),
    (dict(num_output=-3), ValueError, 'num_output is given -3'),
    (dict(weight_filler=3), TypeError, 'weight_filler is given 3: expected a dict'),
    (dict(param=[1]), TypeError, 'param is given 1: expected a dict'),
])
def test_bad_parameters_name_layer_field_and_value(options, error, text):
    with pytest.raises(error, match=text):
        conv_net(**options)


@pytest.mark.parametrize('lookup, text', [
    (lambda: P.Pooling.MAXX, "PoolingParameter has no constant 'MAXX'; did you mean 'MAX'"),
    (lambda: P.Poling, "'Poling'; did you mean 'Pooling'"),
    (lambda: NetSpec().data, "no top 'data'; known: none yet"),
    (lambda: NetSpec()['data'], "no top 'data'"),
])
def test_unknown_names_are_key_and_attribute_errors(lookup, text):
    for kind in (KeyError, AttributeError):
        with pytest.raises(kind, match=text):
            lookup()


def test_a_top_says_its_name_and_type():
    n = NetSpec()
    n.up = L.Deconvolution(L.Input())
    assert isinstance(n.up, Top)
    assert (repr(n.up), repr(n.up.fn.inputs[0])) == ("'up' (Deconvolution)", 'Input')
