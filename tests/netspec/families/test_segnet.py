"""SegNet-Basic and FCN-Basic: what arXiv 1511.00561 says of them, counted in the messages."""

from math import prod

import pytest

from netspec.families.fcn import fcn
from netspec.solver_param import solver
from netspec.variants import VARIANTS
from netspec.variants.data_splits import CAMVID_MEAN
from netspec.variants.segnet_rows import MEDIAN_FREQUENCY
from surgery import param_shapes

NAMES = [name for name, row in VARIANTS.items() if row.trunk in ('segnet_basic', 'fcn_basic')]


def layers(name, split='train', **options):
    return {layer.name: layer for layer in fcn(name, split, **options).layer}


def test_four_rows():
    assert NAMES == ['camvid-segnet-basic', 'camvid-segnet-basic-balanced', 'camvid-fcn-basic',
                     'camvid-fcn-basic-balanced']


@pytest.mark.parametrize(('name', 'millions'), [
    ('camvid-segnet-basic', 1.425), ('camvid-fcn-basic', 0.65)])
def test_parameters_number_as_published(name, millions):
    counted = {'Convolution', 'Deconvolution', 'Scale'}
    types = {n: layer.type for n, layer in layers(name).items()}
    shapes = param_shapes(fcn(name, 'deploy'))
    total = sum(prod(s) for n, blobs in shapes.items() for s in blobs if types[n] in counted)
    assert abs(total / 1e6 - millions) < 0.01


@pytest.mark.parametrize('name', NAMES)
def test_four_encoders_of_seven_by_seven(name):
    net = layers(name)
    for i in range(1, 5):
        conv = net[f'conv{i}'].convolution_param
        assert (conv.num_output, list(conv.kernel_size), list(conv.pad), conv.bias_term) == (
            64, [7], [3], False)
        assert net[f'conv{i}_bn'].type == 'BatchNorm' and net[f'relu{i}'].type == 'ReLU'
    assert net['norm'].type == 'LRN' and list(net['norm'].bottom) == ['data']
    assert "'batch': 12" in net['data'].python_param.param_str
    assert 'batch' not in layers(name, 'val')['data'].python_param.param_str
    assert str(CAMVID_MEAN) not in net['data'].python_param.param_str


def test_decoders_undo_the_poolings_in_turn():
    net = layers('camvid-segnet-basic')
    for i in range(1, 5):
        assert list(net[f'pool{i}'].top) == [f'pool{i}', f'pool{i}_mask']
        assert list(net[f'upsample{i}'].bottom) == [
            'pool4' if i == 4 else f'conv_decode{i + 1}', f'pool{i}_mask']
        assert net[f'upsample{i}'].upsample_param.pad_out_h == (i == 4)   # 45 rows above 23
        assert not net[f'upsample{i}'].upsample_param.pad_out_w
    assert not any(layer.type == 'ReLU' and 'decode' in layer.bottom[0] for layer in net.values())


def test_fcn_basic_adds_reduced_encoder_features():
    net = layers('camvid-fcn-basic')
    for i in range(1, 5):
        up = net[f'upscore{i}']
        assert list(up.convolution_param.kernel_size) == [8] and up.param[0].lr_mult == 1
        assert list(net[f'score_conv{i}'].bottom) == [f'conv{i}']
        assert list(net[f'upscore{i}c'].crop_param.offset) == [0]
    assert list(net['score'].bottom) == ['upscore1c', 'score_conv1']


@pytest.mark.parametrize('name', NAMES)
def test_balanced_rows_weigh_the_loss(name):
    loss = layers(name)['loss'].loss_param
    assert loss.ignore_label == 11 and loss.normalize
    assert loss.weight_by_label_freqs == name.endswith('balanced')
    expected = MEDIAN_FREQUENCY if name.endswith('balanced') else ()
    assert list(loss.class_weighting) == pytest.approx(list(expected))


def test_weights_are_for_their_own_classes():
    with pytest.raises(ValueError, match='weighs 11 classes; it cannot be fitted to 5'):
        fcn('camvid-fcn-basic-balanced', 'train', classes=5)


def test_solver_is_the_papers():
    message = solver('camvid-fcn-basic')
    assert (message.base_lr, message.momentum, message.iter_size) == (
        pytest.approx(0.1), pytest.approx(0.9), 1)


def test_width_narrows_every_stage():
    net = layers('camvid-segnet-basic', width=0.25)
    assert net['conv3'].convolution_param.num_output == 16
    assert net['conv_decode1'].convolution_param.num_output == 16
    assert net['score'].convolution_param.num_output == 11
