"""Classifiers as their authors wrote them for Caffe, by NetSpec: what users bring."""

from collections.abc import Callable

import pytest

from netspec import NetSpec
from netspec import layers as L
from netspec import params as P
from netspec.blocks import Style
from netspec.schema.messages import NetParameter
from netspec.spec import Top
from netspec.trunks.googlenet import googlenet
from netspec.trunks.resnet34 import resnet34
from netspec.trunks.squeezenet import squeezenet


def _start(size: int, channels: int = 3) -> NetSpec:
    n = NetSpec()
    n.data = L.Input(shape=dict(dim=[10, channels, size, size]))
    return n


def _classes(n: NetSpec, name: str, top: Top, count: int) -> None:
    n[name] = L.InnerProduct(top, num_output=count)
    n.prob = L.Softmax(n[name])


def lenet(width: float = 1) -> NetParameter:
    """LeNet as Caffe's example has it: no padding, a scale instead of a mean."""
    n = _start(28, 1)
    n.conv1 = L.Convolution(n.data, num_output=int(20 * width), kernel_size=5)
    n.pool1 = L.Pooling(n.conv1, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.conv2 = L.Convolution(n.pool1, num_output=int(50 * width), kernel_size=5)
    n.pool2 = L.Pooling(n.conv2, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    n.ip1 = L.InnerProduct(n.pool2, num_output=int(500 * width))
    n.relu1 = L.ReLU(n.ip1, in_place=True)
    _classes(n, 'ip2', n.relu1, 10)
    return n.to_proto()


def alexnet(width: float = 1, norm_first: bool = True, pad: bool = True) -> NetParameter:
    """AlexNet (norm before pooling) or CaffeNet (after it)."""
    n, style = _start(227), Style(width)
    top = n.data
    for i, (count, ks, stride, padding, group) in enumerate(
            ((96, 11, 4, 0, 1), (256, 5, 1, 2, 2), (384, 3, 1, 1, 1), (384, 3, 1, 1, 2),
             (256, 3, 1, 1, 2)), 1):
        n[f'conv{i}'] = L.Convolution(top, num_output=style.channels(count, 2), kernel_size=ks,
                                      stride=stride, pad=padding * pad, group=group)
        top = n[f'relu{i}'] = L.ReLU(n[f'conv{i}'], in_place=True)
        if i in (1, 2):
            makers = [('norm', L.LRN, dict(local_size=5, alpha=1e-4, beta=0.75)),
                      ('pool', L.Pooling, dict(pool=P.Pooling.MAX, kernel_size=3, stride=2))]
            for name, make, options in makers if norm_first else reversed(makers):
                top = n[f'{name}{i}'] = make(top, **options)
    top = n.pool5 = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=3, stride=2)
    for i in (6, 7):
        n[f'fc{i}'] = L.InnerProduct(top, num_output=style.channels(4096))
        n[f'relu{i}'] = L.ReLU(n[f'fc{i}'], in_place=True)
        top = n[f'drop{i}'] = L.Dropout(n[f'relu{i}'], in_place=True, dropout_ratio=0.5)
    _classes(n, 'fc8', top, 1000)
    return n.to_proto()


def caffenet(width: float = 1) -> NetParameter:
    """BVLC's reference: AlexNet with pooling before normalisation."""
    return alexnet(width, norm_first=False)


def vgg16(width: float = 1, pad: int = 1, size: int = 224) -> NetParameter:
    """VGG16, configuration D; pad 0 and size 404 make its windows its receptive field."""
    n, style = _start(size), Style(width)
    top = n.data
    for block, (depth, count) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for i in range(1, depth + 1):
            n[f'conv{block}_{i}'] = L.Convolution(top, num_output=style.channels(count),
                                                  kernel_size=3, pad=pad)
            top = n[f'relu{block}_{i}'] = L.ReLU(n[f'conv{block}_{i}'], in_place=True)
        top = n[f'pool{block}'] = L.Pooling(top, pool=P.Pooling.MAX, kernel_size=2, stride=2)
    for i in (6, 7):
        n[f'fc{i}'] = L.InnerProduct(top, num_output=style.channels(4096))
        n[f'relu{i}'] = L.ReLU(n[f'fc{i}'], in_place=True)
        top = n[f'drop{i}'] = L.Dropout(n[f'relu{i}'], in_place=True, dropout_ratio=0.5)
    _classes(n, 'fc8', top, 1000)
    return n.to_proto()


def bvlc_googlenet(width: float = 1) -> NetParameter:
    """GoogLeNet's deploy net: an average over 7 x 7, dropout, one matrix."""
    n = _start(224)
    top = googlenet(n, n.data, style=Style(width, dropout=False))
    n['pool5/7x7_s1'] = L.Pooling(top, pool=P.Pooling.AVE, kernel_size=7, stride=1)
    n['pool5/drop_7x7_s1'] = L.Dropout(n['pool5/7x7_s1'], in_place=True, dropout_ratio=0.4)
    _classes(n, 'loss3/classifier', n['pool5/drop_7x7_s1'], 1000)
    return n.to_proto()


def squeezenet_v10(width: float = 1) -> NetParameter:
    """SqueezeNet: a 1 x 1 convolution gives the classes, and an average over everything."""
    n = _start(227)
    top = squeezenet(n, n.data, style=Style(width))
    n.conv_final = L.Convolution(top, num_output=1000, kernel_size=1)
    n.relu_conv_final = L.ReLU(n.conv_final, in_place=True)
    n.pool_final = L.Pooling(n.relu_conv_final, pool=P.Pooling.AVE, global_pooling=True)
    n.prob = L.Softmax(n.pool_final)
    return n.to_proto()


def resnet(width: float = 1) -> NetParameter:
    """ResNet-34: an average over everything, and one matrix."""
    n = _start(224)
    top = resnet34(n, n.data, Style(width))[32]
    n.pool5 = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    _classes(n, 'fc1000', n.pool5, 1000)
    return n.to_proto()


CLASSIFIERS = {'lenet': lenet, 'alexnet': alexnet, 'caffenet': caffenet, 'vgg16': vgg16,
               'googlenet': bvlc_googlenet, 'squeezenet': squeezenet_v10, 'resnet': resnet}


@pytest.fixture(scope='session')
def classifiers() -> dict[str, Callable[..., NetParameter]]:
    """Name -> what makes the net at a width."""
    return CLASSIFIERS
