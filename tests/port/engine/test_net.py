"""Net: running, in-place tops, gradients that add up, shared parameters, what backward skips."""

import logging

import numpy as np
import pytest
import torch

from netspec.schema import parse_net
from netspec.schema.messages import TEST, TRAIN
from port.engine.net import Net

INPUT = 'layer {{ name: "in" type: "Input" top: "x" input_param {{ shape {{ {} }} }} }}\n'


def net(text: str, shape=(2, 3), phase: int = TRAIN, **options) -> Net:
    dims = ' '.join(f'dim: {n}' for n in shape)
    return Net(parse_net(INPUT.format(dims) + text), phase, **options)


def conv(name: str, bottom: str, top: str, more: str = '') -> str:
    return (f'layer {{ name: "{name}" type: "Convolution" bottom: "{bottom}" top: "{top}" '
            'convolution_param { num_output: 2 kernel_size: 1 bias_term: false '
            f'weight_filler {{ type: "msra" }} }} {more} }}\n')


def test_forward_takes_arrays_of_any_size_from_pass_to_pass() -> None:
    n = net(conv('c', 'x', 'y'), (1, 3, 4, 4))
    for size in ((5, 7), (2, 3)):
        out = n.forward(x=np.ones((1, 3, *size)))
        assert out['y'].shape == (1, 2, *size)


def test_unknown_input_is_named() -> None:
    with pytest.raises(KeyError, match="no blob 'z'"):
        net('').forward(z=np.zeros(1))


def test_two_readers_add_their_gradients() -> None:
    """d(relu(x) + 3 x) = [x > 0] + 3."""
    n = net('''force_backward: true
        layer { name: "r" type: "ReLU" bottom: "x" top: "r" }
        layer { name: "s" type: "Eltwise" bottom: "r" bottom: "x" top: "y"
                eltwise_param { coeff: 1 coeff: 3 } }''', (4,))
    n.forward(x=np.array([-1., 2, -3, 4]))
    n.blobs['y'].diff = torch.ones(4)
    n.backward()
    assert n.blobs['x'].diff.tolist() == [3, 4, 3, 4]


def test_splits_are_hidden_from_blobs_but_not_from_layers() -> None:
    n = net(conv('a', 'x', 'a') + conv('b', 'x', 'b'), (1, 3, 2, 2))
    assert list(n.blobs) == ['x', 'a', 'b']
    assert 'x_in_0_split' in n.layer_names


def test_in_place_overwrites() -> None:
    n = net('layer { name: "r" type: "ReLU" bottom: "x" top: "x" }', (2,))
    assert n.forward(x=np.array([-1., 1]))['x'].tolist() == [0, 1]


SHARED = (conv('a', 'x', 'a', 'param { name: "w" lr_mult: 2 }')
          + conv('b', 'x', 'b', 'param { name: "w" }'))


def test_shared_parameters_are_one_memory_with_one_gradient() -> None:
    n = net(SHARED, (1, 3, 2, 2))
    assert n.params['a'][0] is n.params['b'][0] and len(n.learnable) == 1
    assert n.learnable[0].lr_mult == 2
    assert len(list(n.parameters())) == 1


@pytest.mark.parametrize(('more', 'message'), [
    ('param { name: "w" lr_mult: 3 }', "shared param 'w' has mismatched lr_mult: 3 here, 2"),
    ('param { } param { }', 'too many params specified: 2'),
])
def test_params_that_do_not_fit(more: str, message: str) -> None:
    text = conv('a', 'x', 'a', 'param { name: "w" lr_mult: 2 }') + conv('b', 'x', 'b', more)
    with pytest.raises(ValueError, match=rf"layer 'b' \(Convolution\): .*{message}"):
        net(text, (1, 3, 2, 2))


WIDER = conv('a', 'x', 'a', 'param { name: "w" }') + '''
layer { name: "b" type: "Convolution" bottom: "x" top: "b" param { name: "w" %s }
        convolution_param { num_output: 1 kernel_h: 1 kernel_w: 2 bias_term: false } }'''


def test_sharing_by_count_needs_permissive() -> None:
    with pytest.raises(ValueError, match='the shapes differ'):
        net(WIDER % '', (1, 3, 2, 2))
    n = net(WIDER % 'share_mode: PERMISSIVE', (1, 3, 2, 2))
    n.params['a'][0].data = torch.arange(6.).view(2, 3, 1, 1)
    assert n.params['b'][0].data.reshape(-1).tolist() == [0, 1, 2, 3, 4, 5]


LOSS = '''
layer { name: "y" type: "Input" top: "y" input_param { shape { dim: 1 dim: 2 dim: 2 dim: 2 } } }
layer { name: "l" type: "EuclideanLoss" bottom: "c" bottom: "y" top: "l" }
'''


def test_layers_that_do_not_reach_a_loss_are_skipped() -> None:
    n = net(conv('c', 'x', 'c') + conv('aside', 'x', 'aside') + LOSS, (1, 3, 2, 2))
    needs = {node.name: node.need_backward for node in n.nodes}
    assert needs['c'] and not needs['aside'] and not needs['in']


def test_zero_lr_mult_stops_the_gradient() -> None:
    n = net(conv('c', 'x', 'c', 'param { lr_mult: 0 }') + LOSS, (1, 3, 2, 2))
    assert not {node.name: node for node in n.nodes}['c'].need_backward


def test_propagate_down_cuts_a_branch() -> None:
    n = net(conv('a', 'x', 'a') + conv('c', 'a', 'c', 'propagate_down: false') + LOSS,
            (1, 3, 2, 2))
    needs = {node.name: node.need_backward for node in n.nodes}
    assert needs['c'] and not needs['a']


def test_force_backward_reaches_the_data() -> None:
    n = net('force_backward: true\n' + conv('c', 'x', 'c', 'param { lr_mult: 0 }') + LOSS,
            (1, 3, 2, 2))
    n.forward(x=np.ones((1, 3, 2, 2)))
    n.backward()
    assert n.blobs['x'].diff.abs().sum() > 0


def test_loss_is_weighted_and_summed() -> None:
    n = net('''layer { name: "a" type: "Reduction" bottom: "x" top: "a" loss_weight: 2 }
               layer { name: "s" type: "Silence" bottom: "a" }''', (1, 3))
    n.forward(x=np.ones((1, 3)))
    assert float(n.loss) == 6


def test_moves_to_double_as_a_module() -> None:
    n = net(conv('c', 'x', 'c'), (1, 3, 2, 2)).double()
    assert n.params['c'][0].data.dtype == torch.float64
    assert n.forward(x=np.ones((1, 3, 2, 2)))['c'].dtype == torch.float64
    assert list(n.state_dict()) == ['c.0']


def test_state_dict_is_the_nets_own_memory() -> None:
    n = net(conv('c', 'x', 'c'), (1, 3, 2, 2))
    n.load_state_dict({'c.0': torch.ones(2, 3, 1, 1)})
    assert n.params['c'][0].data.sum() == 6


def test_weights_by_name(tmp_path) -> None:
    first, second = net(conv('c', 'x', 'c'), (1, 3, 2, 2)), net(conv('c', 'x', 'c'), (1, 3, 2, 2))
    for name in ('w.caffemodel', 'w.caffemodel.h5'):
        first.save(tmp_path / name)
        second.params['c'][0].data.zero_()
        second.copy_from(str(tmp_path / name))
        assert torch.equal(first.params['c'][0].data, second.params['c'][0].data)


def test_hdf5_leaves_out_a_parameter_that_another_layer_owns(tmp_path) -> None:
    """The second layer's own weights are in the file, its shared bias is not: as Caffe writes."""
    text = '''layer { name: "%s" type: "InnerProduct" bottom: "%s" top: "%s" param {%s}
        param { name: "b" } inner_product_param { num_output: 3 weight_filler { type: "msra" } } }
    '''
    text = text % ('p', 'x', 'p', '') + text % ('q', 'p', 'q', '')
    first, second = net(text, (2, 3)), net(text, (2, 3))
    first.save(tmp_path / 'w.h5')
    second.copy_from(str(tmp_path / 'w.h5'))
    assert torch.equal(first.params['q'][0].data, second.params['q'][0].data)


def test_a_layer_saved_without_its_parameters_is_refused(tmp_path) -> None:
    """Caffe counts the blobs of every layer of the file that the net has, and so do we."""
    from netspec.schema import write_binary
    from netspec.schema.messages import NetParameter
    saved = NetParameter()
    saved.layer.add(name='c', type='Convolution')
    write_binary(tmp_path / 'w.caffemodel', saved)
    with pytest.raises(ValueError, match="Incompatible number of blobs for layer 'c': 0, the net"):
        net(conv('c', 'x', 'c'), (1, 3, 2, 2)).copy_from(str(tmp_path / 'w.caffemodel'))


def test_a_missing_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="Incompatible number of blobs for layer 'c': 0, the net"):
        net(conv('c', 'x', 'c'), (1, 3, 2, 2)).copy_from({'c': [None]})


def test_weights_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"layer 'c', param 0: shape mismatch: \[2, 4, 1, 1\], "
                       r'the net expects \[2, 3, 1, 1\]'):
        net(conv('c', 'x', 'c'), (1, 3, 2, 2)).copy_from({'c': [np.zeros((2, 4, 1, 1), 'f')]})


def test_sharing_with_another_net() -> None:
    train, test = net(conv('c', 'x', 'c'), (1, 3, 2, 2)), net(conv('c', 'x', 'c'), (1, 3, 2, 2))
    test.share_from(train)
    train.params['c'][0].data.fill_(3)
    assert test.params['c'][0].data.sum() == 18


def test_a_size_that_was_refused_leaves_nothing_behind() -> None:
    n = net('''layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param {
        num_output: 2 kernel_size: 7 weight_filler { type: "msra" } } }''', (1, 3, 9, 9))
    image = np.ones((1, 3, 9, 9), 'f')
    before = n.forward(x=image)['c'].clone()
    with pytest.raises(ValueError):
        n.forward(x=image[:, :, :3, :3])
    assert torch.equal(n.forward(x=image)['c'], before)


def test_phase_inside_the_net() -> None:
    text = '''layer { name: "d" type: "Dropout" bottom: "x" top: "x" include { phase: TRAIN } }'''
    assert len(net(text).entries) == 2 and len(net(text, phase=TEST).entries) == 1


def test_unknown_type_is_named_with_its_line(tmp_path) -> None:
    path = tmp_path / 'net.prototxt'
    path.write_text(INPUT.format('dim: 1') + 'layer { name: "c" type: "Convolutoin" }')
    with pytest.raises(KeyError, match=r"net.prototxt:2: layer 'c' .*did you mean 'Convolution'"):
        Net(path, TEST)


def test_arity_is_checked() -> None:
    with pytest.raises(ValueError, match=r"layer 'r' \(ReLU\): ReLU takes exactly 1 bottom"):
        net('layer { name: "r" type: "ReLU" bottom: "x" bottom: "x" top: "y" }')


def test_debug_info_lines(caplog) -> None:
    n = net('debug_info: true\n' + conv('c', 'x', 'c') + LOSS, (1, 3, 2, 2))
    with caplog.at_level(logging.INFO, 'port.net'):
        n.forward(x=np.ones((1, 3, 2, 2)))
        n.backward()
    text = caplog.text
    assert '    [Forward] Layer c, top blob c data: ' in text
    assert '    [Backward] Layer c, param blob 0 diff: ' in text
    assert '    [Backward] All net params (data, diff): L1 norm = (' in text


def test_a_layer_in_place_keeps_the_shape() -> None:
    text = ('layer { name: "x" type: "Input" top: "x" input_param { shape { dim: [1, 1, '
            '8, 8] } } } layer { name: "p" type: "Pooling" bottom: "x" top: "x" '
            'pooling_param { kernel_size: 2 stride: 2 } }')
    with pytest.raises(ValueError, match=r"works in place on 'x' but makes another size of it, "
                                         r'\[1, 1, 4, 4\] from \[1, 1, 8, 8\]'):
        Net(parse_net(text), TEST)


def test_a_bottom_without_the_axis_that_is_read() -> None:
    text = ''.join(f'layer {{ name: "{name}" type: "Input" top: "{name}" input_param {{ '
                   'shape { } } }' for name in 'xl')
    with pytest.raises(ValueError, match='a bottom has fewer axes or values than the layer reads'):
        Net(parse_net(text + 'layer { name: "h" type: "HingeLoss" bottom: "x" bottom: "l" '
                      'top: "loss" }'), TEST)


def test_only_what_is_overwritten_later_is_kept() -> None:
    """BatchNorm keeps its bottom where a layer works in place on a view of it, nowhere else."""
    norm = 'layer { name: "n" type: "BatchNorm" bottom: "x" top: "n" }\n'
    view = 'layer { name: "f" type: "Flatten" bottom: "x" top: "f" }\n'
    place = 'layer { name: "r" type: "ReLU" bottom: "f" top: "%s" }\n'
    for text, kept in ((norm + view + place % 'f', True), (norm + view + place % 'r', False),
                       (view + place % 'f' + norm, False), (norm, False)):
        n = net(text, (2, 3))
        n.forward(x=np.ones((2, 3)))
        assert ({node.name: node for node in n.nodes}['n'].layer.saved is not None) is kept


def test_outputs_that_are_losses_too_are_logged_as_caffe_names_them(caplog) -> None:
    from port.training.solver import log_outputs
    n = net('layer { name: "p" type: "Reduction" bottom: "x" top: "p" loss_weight: 2 '
            'reduction_param { axis: 0 } }\n'
            'layer { name: "q" type: "Power" bottom: "p" top: "q" }', (2, 3))
    assert n.outputs == ['p', 'q'] and n.split_outputs == ['p_p_0_split_0', 'q']
    with caplog.at_level(logging.INFO, 'port'):
        log_outputs('Test', n, [torch.tensor(3.), torch.tensor(4.)])
    assert 'Test net output #0: p_p_0_split_0 = 3 (* 2 = 6 loss)' in caplog.text


def test_a_net_without_weights_says_so_once(caplog) -> None:
    zero = conv('c', 'x', 'y').replace('weight_filler { type: "msra" }', '')
    caplog.set_level(logging.WARNING, 'port')
    n = net(zero, (1, 3, 4, 4), TEST)
    for _ in range(2):
        n.forward()
    (record,) = caplog.records
    assert 'the net has no weights' in record.getMessage()
    assert 'all zero in c' in record.getMessage()
    caplog.clear()
    net(conv('c', 'x', 'y'), (1, 3, 4, 4), TEST).forward()                  # of fillers
    net(zero, (1, 3, 4, 4), TEST, weights={'c': [np.ones((2, 3, 1, 1))]}).forward()
    net(zero, (1, 3, 4, 4)).forward()                                       # to train
    assert not caplog.records


def test_errors_name_blobs_as_the_file_does() -> None:
    two = '''layer { name: "o" type: "Input" top: "z" input_param { shape { dim: 5 } } }
        layer { name: "a" type: "Eltwise" bottom: "x" bottom: "z" top: "a" }
        layer { name: "b" type: "Eltwise" bottom: "x" bottom: "z" top: "b" }'''
    with pytest.raises(ValueError, match=r"bottoms 'x' \[2, 3\] and 'z' \[5\] must have the same"):
        net(two)
