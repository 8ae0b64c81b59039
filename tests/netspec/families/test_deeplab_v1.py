"""V1's syntax there and back: what is rewritten, and that reading it gives the same net."""

from netspec.families.deeplab_v1 import to_v1
from netspec.schema import parse_net, print_net
from netspec.schema.messages import NetParameter, V1LayerParameter

NET = '''name: "n"
    layer { name: "data" type: "ImageSegData" top: "data" top: "label" include { phase: TRAIN }
            image_data_param { source: "s" label_type: PIXEL } }
    layer { name: "fc6" type: "Convolution" bottom: "data" top: "fc6" param { lr_mult: 1 }
            param { lr_mult: 2 decay_mult: 0 }
            convolution_param { num_output: 2 kernel_size: 3 pad: 12 dilation: 12 } }
    layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
    layer { name: "loss" type: "SoftmaxWithLoss" bottom: "fc6" bottom: "label"
            loss_param { ignore_label: 255 } }'''


def test_there():
    old = to_v1(parse_net(NET), loose=True)
    assert not old.layer and old.name == 'n'
    data, fc6, relu, loss = old.layers
    assert data.type == V1LayerParameter.IMAGE_SEG_DATA and data.include[0].phase == 0
    assert (fc6.blobs_lr, fc6.weight_decay) == ([1, 2], [1, 0])
    assert fc6.convolution_param.hole == 12 and not fc6.convolution_param.dilation
    assert not fc6.strict_dim and relu.strict_dim
    assert loss.softmaxloss_param.ignore_label == [255] and not loss.HasField('loss_param')


def test_and_back():
    new = parse_net(NET)
    for param in new.layer[1].param:
        param.decay_mult = param.decay_mult        # V1 writes every multiplier
    assert parse_net(print_net(to_v1(new, loose=False))) == new


def test_a_loss_without_options_has_its_block():
    net = NetParameter()
    net.layer.add(type='SoftmaxWithLoss', name='loss')
    assert 'softmaxloss_param {\n' in print_net(to_v1(net, loose=False))
