"""Binary nets of DeepLab's forks, put together byte by byte from the numbers of their schemas."""

import logging
import struct

import numpy as np
import pytest

from netspec.schema import parse_net, print_net
from netspec.schema.binary import read_net_binary, write_binary
from netspec.schema.blobs import blob_array
from netspec.schema.deeplab_numbers import present_numbers, v1_type
from netspec.schema.messages import NetParameter
from netspec.schema.wire import WireError, varint
from surgery.caffemodel import read_caffemodel

WEIGHTS = np.arange(6, dtype='<f4')


def wire(*fields: tuple[int, object]) -> bytes:
    """Encode (number, value) pairs: an int, a float, text, bytes, or a tuple of pairs."""
    out = b''
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            out += varint(number << 3 | 5) + struct.pack('<f', value)
        else:
            inner = (value.encode() if isinstance(value, str) else
                     value if isinstance(value, bytes) else wire(*value))
            out += varint(number << 3 | 2) + varint(len(inner)) + inner
    return out


BLOB = ((1, 1), (2, 1), (3, 2), (4, 3), (5, WEIGHTS.tobytes()))
# Of a V1 layer: 2 bottom, 3 top, 4 name, 5 type, 6 blobs; of a V2 layer 1 name, 2 type, 7 blobs.
DATA_V1 = (2, ((3, 'data'), (3, 'label'), (4, 'data'), (5, 39),
               (15, ((1, 'train.txt'), (4, 30), (16, 2), (13, 0)))))
FC6_V1 = (2, ((2, 'data'), (3, 'fc6'), (4, 'fc6'), (5, 4), (6, BLOB), (1003, 0),
              (10, ((1, 1024), (3, 12), (4, 3), (17, 12)))))
FIRST_FORK = (
    (1, 'largefov'), DATA_V1, FC6_V1,
    (2, ((4, 'hw'), (5, 4), (10, ((1, 2), (18, 2), (19, 3))))),
    (2, ((4, 'shrink'), (5, 41), (43, ((4, 8), (5, 0))))),
    (2, ((4, 'loss'), (5, 21), (44, ((2, 255),)))),
    (2, ((4, 'acc'), (5, 40), (42, ((2, 255),)))),
    (2, ((4, 'pad'), (5, 42), (45, ((1, 7),)))),
    (2, ((4, 'mat'), (5, 43), (46, ((1, 'out/'), (3, 0), (4, 1))))),
    (2, ((4, 'read'), (5, 44), (47, ((1, 'in/'),)))),
    (2, ((4, 'crf'), (5, 45), (48, ((1, 10), (2, 3.), (3, 3.), (4, 50.), (5, 10.), (6, 5.))))),
    (2, ((4, 'bias'), (5, 47), (50, ((1, 5.), (2, 6.))))))
FIRST_FORK_TEXT = '''
    name: "largefov"
    layer { name: "data" type: "ImageSegData" top: "data" top: "label" image_data_param {
            source: "train.txt" batch_size: 30 has_label: false label_type: PIXEL } }
    layer { name: "fc6" type: "Convolution" bottom: "data" top: "fc6"
            convolution_param { num_output: 1024 pad: 12 kernel_size: 3 dilation: 12 } }
    layer { name: "hw" type: "Convolution"
            convolution_param { num_output: 2 dilation: 2 dilation: 3 } }
    layer { name: "shrink" type: "Interp" interp_param { shrink_factor: 8 pad_beg: 0 } }
    layer { name: "loss" type: "SoftmaxWithLoss" loss_param { ignore_label: 255 } }
    layer { name: "acc" type: "SegAccuracy" seg_accuracy_param { ignore_label: 255 } }
    layer { name: "pad" type: "Padding" padding_param { pad_beg: 7 } }
    layer { name: "mat" type: "MatWrite" mat_write_param { prefix: "out/" strip: 0 period: 1 } }
    layer { name: "read" type: "MatRead" mat_read_param { prefix: "in/" } }
    layer { name: "crf" type: "DenseCRF" dense_crf_param { max_iter: 10 pos_xy_std: 3 pos_w: 3
            bi_xy_std: 50 bi_rgb_std: 10 bi_w: 5 } }
    layer { name: "bias" type: "BiasChannel" bias_channel_param { bg_bias: 5 fg_bias: 6 } }'''


def second_fork(interp: int, accuracy: int, mat: int, crf: int) -> tuple:
    """Return a net of the second fork, or of the one that moved four of its fields."""
    return ((1, 'resnet101'),
            (100, ((1, 'half'), (2, 'Interp'), (interp, ((4, 2), (5, 0))))),
            (100, ((1, 'fc1'), (2, 'Convolution'), (7, BLOB), (106, ((1, 21), (18, 6))))),
            (100, ((1, 'acc'), (2, 'SegAccuracy'), (accuracy, ((2, 255), (3, 0))))),
            (100, ((1, 'mat'), (2, 'MatWrite'), (mat, ((1, 'out/'),)))),
            (100, ((1, 'crf'), (2, 'DenseCRF'), (crf, ((6, 4.), (7, 0))))),
            (100, ((1, 'bias'), (2, 'BiasChannel'), (149, ((1, 5.),)))),
            (100, ((1, 'read'), (2, 'MatRead'), (151, ((1, 'in/'),)))))


SECOND_FORK_TEXT = '''
    name: "resnet101"
    layer { name: "half" type: "Interp" interp_param { shrink_factor: 2 pad_beg: 0 } }
    layer { name: "fc1" type: "Convolution" convolution_param { num_output: 21 dilation: 6 } }
    layer { name: "acc" type: "SegAccuracy" seg_accuracy_param { ignore_label: 255 reset: false } }
    layer { name: "mat" type: "MatWrite" mat_write_param { prefix: "out/" } }
    layer { name: "crf" type: "DenseCRF" dense_crf_param { bi_w: 4 output_probability: false } }
    layer { name: "bias" type: "BiasChannel" bias_channel_param { bg_bias: 5 } }
    layer { name: "read" type: "MatRead" mat_read_param { prefix: "in/" } }'''


@pytest.mark.parametrize(('net', 'text', 'layer'), [
    (FIRST_FORK, FIRST_FORK_TEXT, 'fc6'),
    (second_fork(143, 144, 145, 146), SECOND_FORK_TEXT, 'fc1'),
    (second_fork(153, 154, 155, 152), SECOND_FORK_TEXT, 'fc1')],
    ids=['v1', 'v2', 'v2-renumbered'])
def test_a_forks_net_is_read_as_the_fork_meant_it(tmp_path, net, text, layer):
    path = tmp_path / 'fork.caffemodel'
    path.write_bytes(wire(*net))
    read = read_net_binary(path)
    blobs = {found.name: list(found.blobs) for found in read.layer if found.blobs}
    np.testing.assert_array_equal(blob_array(blobs.pop(layer)[0]), WEIGHTS.reshape(1, 1, 2, 3))
    assert not blobs
    for found in read.layer:
        found.ClearField('blobs')
    assert read == parse_net(text), print_net(read)
    weights = read_caffemodel(path)
    assert list(weights) == [layer]
    np.testing.assert_array_equal(weights[layer][0], WEIGHTS.reshape(1, 1, 2, 3))
    assert weights.types == {found.name: found.type for found in read.layer}


def test_what_was_read_is_written_under_numbers_that_no_fork_has(tmp_path):
    (tmp_path / 'fork').write_bytes(wire(*FIRST_FORK))
    read = read_net_binary(tmp_path / 'fork')
    write_binary(tmp_path / 'ours', read)
    assert read_net_binary(tmp_path / 'ours') == read
    assert present_numbers((tmp_path / 'ours').read_bytes()) == (tmp_path / 'ours').read_bytes()


@pytest.mark.parametrize('net', [
    # V1: a deconvolution, an image list, a loss with options, a convolution of Caffe 1.0's schema
    ((2, ((4, 'up'), (5, 39), (6, BLOB), (10, ((1, 2), (4, 4))))),
     (2, ((4, 'images'), (5, 12), (15, ((1, 'list'),)))),
     (2, ((4, 'loss'), (5, 21), (42, ((1, 255),)))),
     (2, ((4, 'conv'), (5, 4), (10, ((1, 2), (17, 1), (18, 2)))))),
    # V2: the layers that the numbers 143 to 148 belong to
    ((100, ((1, 'in'), (2, 'Input'), (143, ((1, ((1, b'\1\3\7'),)),)))),
     (100, ((1, 'crop'), (2, 'Crop'), (144, ((1, 2), (2, 19))))),
     (100, ((1, 'p'), (2, 'Parameter'), (145, ((1, ((1, b'\2'),)),)))),
     (100, ((1, 'lstm'), (2, 'LSTM'), (146, ((1, 8),)))),
     (100, ((1, 'swish'), (2, 'Swish'), (147, ((1, 2.),)))),
     (100, ((1, 'clip'), (2, 'Clip'), (148, ((1, 0.), (2, 6.)))))),
], ids=['v1', 'v2'])
def test_a_net_of_bvlcs_stays_as_it_is(net):
    raw = wire(*net)
    assert present_numbers(raw) is raw


def test_crop_and_interp_in_one_net_are_told_by_their_types(tmp_path):
    (tmp_path / 'x').write_bytes(wire(
        (100, ((1, 'crop'), (2, 'Crop'), (144, ((1, 2), (2, 19))))),
        (100, ((1, 'zoom'), (2, 'Interp'), (153, ((3, 8),))))))
    assert read_net_binary(tmp_path / 'x') == parse_net(
        'layer { name: "crop" type: "Crop" crop_param { axis: 2 offset: 19 } } '
        'layer { name: "zoom" type: "Interp" interp_param { zoom_factor: 8 } }')


@pytest.mark.parametrize('alone', [
    DATA_V1, (2, ((4, 'fc6'), (5, 4), (10, ((17, 12),)))), (2, ((4, 'fc6'), (1003, 0))),
    (2, ((4, 'hw'), (5, 4), (10, ((18, 2), (19, 2))))), (2, ((4, 'acc'), (5, 40)))],
    ids=['data', 'hole', 'strict_dim', 'hole_h and hole_w', 'accuracy'])
def test_one_layer_tells_the_first_fork(alone):
    """Then the `hole: 1` of another layer, which could be a force_nd_im2col, is a hole."""
    net = NetParameter.FromString(present_numbers(wire(
        alone, (2, ((4, 'c'), (5, 4), (10, ((17, 1),)))))))
    assert net.layers[1].convolution_param.hole == 1
    assert not net.layers[1].convolution_param.HasField('force_nd_im2col')


def test_of_a_net_that_is_both_only_what_is_sure_is_read(tmp_path, caplog):
    up = (2, ((4, 'up'), (5, 39), (6, BLOB), (10, ((17, 1),))))
    (tmp_path / 'x').write_bytes(wire(FC6_V1, up))
    with caplog.at_level(logging.WARNING):
        net = read_net_binary(tmp_path / 'x')
    assert "DeepLab's in part and BVLC's in part" in caplog.text
    assert [(layer.name, layer.type, len(layer.blobs), layer.HasField('convolution_param'))
            for layer in net.layer] == [('fc6', 'Convolution', 1, False),
                                        ('up', 'Deconvolution', 1, False)]
    assert list(read_caffemodel(tmp_path / 'x')) == ['fc6', 'up']


def test_another_forks_layer_with_weights_is_no_layer_of_deeplabs():
    assert v1_type(40, {4, 5, 6}) == 40 and v1_type(40, {4, 5}) == 8040
    raw = wire((2, ((4, 'bn'), (5, 40), (6, BLOB))))
    assert present_numbers(raw) is raw


def test_a_file_that_is_cut_off_is_named_so(tmp_path):
    raw = wire(*FIRST_FORK)
    with pytest.raises(WireError):
        present_numbers(raw[:-1])
    (tmp_path / 'cut').write_bytes(raw[:-1])
    with pytest.raises(ValueError, match='cut: the file is cut off'):
        read_net_binary(tmp_path / 'cut')
