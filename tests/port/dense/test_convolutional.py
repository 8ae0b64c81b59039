"""Classifiers made convolutional: kernels, counts, the same answers at their own size."""

from math import prod

import numpy as np
import pytest

from netspec import NetSpec
from netspec import layers as L
from netspec.schema import parse_net
from netspec.schema.messages import TEST, NetParameter
from port.dense.convolutional import convolutionalize
from port.engine.net import Net
from port.engine.random_weights import random_weights
from surgery import Weights, param_shapes

WIDTH = 1 / 32
# classifier: the InnerProducts' kernels, the pooling that becomes a window
FOUND = {
    'lenet': ({'ip1': (4, 4), 'ip2': (1, 1)}, {}),
    'alexnet': ({'fc6': (6, 6), 'fc7': (1, 1), 'fc8': (1, 1)}, {}),
    'caffenet': ({'fc6': (6, 6), 'fc7': (1, 1), 'fc8': (1, 1)}, {}),
    'vgg16': ({'fc6': (7, 7), 'fc7': (1, 1), 'fc8': (1, 1)}, {}),
    'googlenet': ({'loss3/classifier': (1, 1)}, {'pool5/7x7_s1': (7, 7)}),
    'squeezenet': ({}, {'pool_final': (14, 14)}),
    'resnet': ({'fc1000': (1, 1)}, {'pool5': (7, 7)})}


def values(net: NetParameter) -> int:
    return sum(prod(shape) for shapes in param_shapes(net).values() for shape in shapes)


def drawn(net: NetParameter) -> tuple[Net, Weights]:
    """Return a net of one image with drawn weights, and these."""
    single = NetParameter()
    single.CopyFrom(net)
    single.layer[0].input_param.shape[0].dim[0] = 1
    made = Net(single, TEST)
    random_weights(made, 4)
    return made, Weights({name: [blob.data.numpy().copy() for blob in blobs]
                          for name, blobs in made.params.items()})


@pytest.mark.parametrize('name', FOUND)
def test_kernels_and_parameters_at_full_width(classifiers, name: str) -> None:
    net = classifiers[name]()
    done = convolutionalize(net)
    assert (done.kernels, done.pools) == FOUND[name] and done.dropped == []
    assert not any(layer.type == 'InnerProduct' for layer in done.net.layer)
    assert values(done.net) == values(net)


@pytest.mark.parametrize('name', FOUND)
def test_answers_at_the_classifiers_own_size(classifiers, name: str) -> None:
    """With the pooling as a window, and with the mean of the map where it is left out."""
    net, weights = drawn(classifiers[name](WIDTH if name != 'lenet' else 0.2))
    image = 50 * np.random.default_rng(1).standard_normal(net.blobs['data'].shape).astype('f')
    wanted = net.forward(data=image)['prob'].numpy().reshape(-1).copy()
    for drop in (False, True):
        done = convolutionalize(classifiers[name](WIDTH if name != 'lenet' else 0.2),
                                drop_pool=drop)
        map_net = Net(done.net, TEST, weights=done.weights(weights))
        found = map_net.forward(data=image)['prob'].numpy()[0]
        assert (found.shape[1:] == (1, 1)) == (not drop or not done.dropped)
        if found.shape[1:] == (1, 1):
            np.testing.assert_allclose(found.reshape(-1), wanted, rtol=0, atol=1e-5)


def test_a_dropped_pooling_leaves_the_classifier_a_place(classifiers) -> None:
    """The mean of the map of scores is the score of the mean: convolution is linear."""
    net, weights = drawn(classifiers['resnet'](WIDTH))
    image = 50 * np.random.default_rng(2).standard_normal((1, 3, 224, 224)).astype('f')
    net.forward(data=image)
    done = convolutionalize(classifiers['resnet'](WIDTH), drop_pool=True)
    assert done.kernels == {'fc1000': (1, 1)} and done.dropped == ['pool5']
    map_net = Net(done.net, TEST, weights=done.weights(weights))
    map_net.forward(data=image)
    scores = map_net.blobs['fc1000'].data[0]
    assert scores.shape == (1000, 7, 7)
    wanted = net.blobs['fc1000'].data[0].numpy()
    np.testing.assert_allclose(scores.mean((1, 2)).numpy(), wanted, rtol=0,
                               atol=1e-5 * np.abs(wanted).max())


TRAIN_VAL = '''
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  transform_param { crop_size: 23 } data_param { source: "x" batch_size: 8 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
  transform_param { crop_size: 21 } data_param { source: "x" batch_size: 8 } }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 4 kernel_size: 3 stride: 2 } }
layer { name: "side" type: "InnerProduct" bottom: "conv" top: "side"
  inner_product_param { num_output: 6 } }
layer { name: "side_loss" type: "SoftmaxWithLoss" bottom: "side" bottom: "label" }
layer { name: "flat" type: "Flatten" bottom: "conv" top: "flat" }
layer { name: "hidden" type: "InnerProduct" bottom: "flat" top: "hidden"
  inner_product_param { num_output: 5 transpose: true } }
layer { name: "relu" type: "ReLU" bottom: "hidden" top: "hidden" }
layer { name: "drop" type: "Dropout" bottom: "hidden" top: "hidden" }
layer { name: "ip" type: "InnerProduct" bottom: "hidden" top: "ip"
  inner_product_param { num_output: 6 bias_term: false } }
layer { name: "accuracy" type: "Accuracy" bottom: "ip" bottom: "label" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
'''


def test_a_training_net_with_side_losses_flattening_and_transposed_weights() -> None:
    done = convolutionalize(parse_net(TRAIN_VAL))
    assert [layer.name for layer in done.net.layer] == ['data', 'conv', 'hidden', 'relu', 'drop',
                                                        'ip']
    assert (done.size, done.kernels) == ((21, 21), {'hidden': (10, 10), 'ip': (1, 1)})
    rng = np.random.default_rng(3)
    old = Weights({'hidden': [rng.standard_normal((400, 5)), rng.standard_normal(5)],
                   'ip': [rng.standard_normal((6, 5))], 'side': [rng.standard_normal((6, 400))]})
    new = done.weights(old)
    assert list(new) == ['hidden', 'ip']
    assert (new['hidden'][0].reshape(5, 400) == old['hidden'][0].T).all()
    assert new['ip'][0].shape == (6, 5, 1, 1)


def only(*layers: str) -> NetParameter:
    return parse_net('layer { name: "data" type: "Input" top: "data" '
                     'input_param { shape { dim: 1 dim: 3 dim: 9 dim: 9 } } }' + ''.join(layers))


IP = 'layer { name: "ip" type: "InnerProduct" bottom: "%s" top: "ip" ' \
     'inner_product_param { num_output: 2 axis: %d } }'


@pytest.mark.parametrize(('net', 'said'), [
    (only(), "layer 'data' (Input): ends a net that has no InnerProduct and no Convolution"),
    (only(IP % ('data', 2)), "layer 'ip' (InnerProduct): an InnerProduct from axis 2"),
    (only('layer { name: "mvn" type: "MVN" bottom: "data" top: "mvn" }', IP % ('mvn', 1)),
     "layer 'mvn' (MVN): looks at the whole image"),
    (only('layer { name: "re" type: "Reshape" bottom: "data" top: "re" '
          'reshape_param { shape { dim: 0 dim: 9 dim: 27 } } }', IP % ('re', 1)),
     "layer 're' (Reshape): turns [1, 3, 9, 9] into [1, 9, 27]"),
    (parse_net(f'input: "data" {IP % ("data", 1)}'),
     "layer 'ip' (InnerProduct): reads data, which nothing gives: write the shape"),
    (parse_net(TRAIN_VAL.replace('crop_size: 21', '')), "layer 'data' (Data): does not state")])
def test_what_cannot_be_converted_is_named(net: NetParameter, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        convolutionalize(net)
    assert said in str(refused.value)


def test_weights_of_another_net_are_refused() -> None:
    done = convolutionalize(parse_net(TRAIN_VAL))
    with pytest.raises(ValueError, match="layer 'hidden'.*kernel of 10 x 10"):
        done.weights({'hidden': [np.zeros((399, 5))]})


def test_rectangular_windows() -> None:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[1, 2, 4, 7]))
    n.ip = L.InnerProduct(n.data, num_output=3)
    conv = convolutionalize(n.to_proto()).net.layer[1].convolution_param
    assert (conv.kernel_h, conv.kernel_w, list(conv.kernel_size)) == (4, 7, [])
