"""The name tables against lists written down from torchvision's modules and Caffe's model files."""

import pytest

from surgery.torch_names import TABLES, Table

CONVS = ('conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3 conv4_1 conv4_2 conv4_3 '
         'conv5_1 conv5_2 conv5_3').split()
FEATURES = {
    'vgg11': [0, 3, 6, 8, 11, 13, 16, 18], 'vgg11_bn': [0, 4, 8, 11, 15, 18, 22, 25],
    'vgg13': [0, 2, 5, 7, 10, 12, 15, 17, 20, 22],
    'vgg13_bn': [0, 3, 7, 10, 14, 17, 21, 24, 28, 31],
    'vgg16': [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28],
    'vgg16_bn': [0, 3, 7, 10, 14, 17, 20, 24, 27, 30, 34, 37, 40],
    'vgg19': [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34],
    'vgg19_bn': [0, 3, 7, 10, 14, 17, 20, 23, 27, 30, 33, 36, 40, 43, 46, 49]}
# Convolutions and fully connected layers, from the names' numbers.
WEIGHTED = {'resnet18': 20 + 1, 'resnet34': 36 + 1, 'resnet50': 53 + 1, 'resnet101': 104 + 1,
            'resnet152': 155 + 1, 'googlenet': 3 + 9 * 6 + 2 * 3 + 1, 'alexnet': 8}


def table(name: str, library: str = 'torchvision') -> Table:
    return next(t for t in TABLES if (t.name, t.library) == (name, library))


def pairs(name: str, library: str = 'torchvision') -> dict[str, str]:
    return {row.module: row.layer for row in table(name, library).rows}


@pytest.mark.parametrize('name', FEATURES)
def test_vgg_features(name: str) -> None:
    rows = [row for row in table(name).rows if not row.head]
    assert [row.module for row in rows] == [f'features.{i}' for i in FEATURES[name]]
    after = [f'features.{i + 1}' if name.endswith('bn') else '' for i in FEATURES[name]]
    assert [row.norm for row in rows] == after


@pytest.mark.parametrize('name', ['vgg16', 'vgg16_bn'])
def test_vgg16_has_the_layers_of_its_caffemodel(name: str) -> None:
    heads = {'torchvision': {'classifier.0': 'fc6', 'classifier.3': 'fc7', 'classifier.6': 'fc8'},
             'timm': {'pre_logits.fc1': 'fc6', 'pre_logits.fc2': 'fc7', 'head.fc': 'fc8'}}
    for library, names in heads.items():
        found = pairs(name, library)
        assert list(found.values()) == [*CONVS, 'fc6', 'fc7', 'fc8']
        assert {m: layer for m, layer in found.items() if not m.startswith('features')} == names


def test_alexnet() -> None:
    assert pairs('alexnet') == {
        'features.0': 'conv1', 'features.3': 'conv2', 'features.6': 'conv3', 'features.8': 'conv4',
        'features.10': 'conv5', 'classifier.1': 'fc6', 'classifier.4': 'fc7', 'classifier.6': 'fc8'}


def test_googlenet() -> None:
    found = pairs('googlenet')
    assert found['conv1.conv'] == 'conv1/7x7_s2' and found['conv3.conv'] == 'conv2/3x3'
    assert {m: layer for m, layer in found.items() if '4c' in m} == {
        'inception4c.branch1.conv': 'inception_4c/1x1',
        'inception4c.branch2.0.conv': 'inception_4c/3x3_reduce',
        'inception4c.branch2.1.conv': 'inception_4c/3x3',
        'inception4c.branch3.0.conv': 'inception_4c/5x5_reduce',
        'inception4c.branch3.1.conv': 'inception_4c/5x5',
        'inception4c.branch4.1.conv': 'inception_4c/pool_proj'}
    assert found['aux2.conv.conv'] == 'loss2/conv' and found['aux2.fc2'] == 'loss2/classifier'
    assert found['fc'] == 'loss3/classifier'


@pytest.mark.parametrize(('name', 'module', 'layer'), [
    ('resnet34', 'layer1.0.conv1', 'res2a_branch2a'),
    ('resnet34', 'layer2.0.downsample.0', 'res3a_branch1'),
    ('resnet34', 'layer3.5.conv2', 'res4f_branch2b'),
    ('resnet50', 'layer1.0.downsample.0', 'res2a_branch1'),
    ('resnet50', 'layer2.3.conv3', 'res3d_branch2c'),
    ('resnet101', 'layer1.2.conv1', 'res2c_branch2a'),
    ('resnet101', 'layer2.3.conv1', 'res3b3_branch2a'),
    ('resnet101', 'layer3.0.conv1', 'res4a_branch2a'),
    ('resnet101', 'layer3.22.conv3', 'res4b22_branch2c'),
    ('resnet101', 'layer4.2.conv3', 'res5c_branch2c'),
    ('resnet152', 'layer2.7.conv2', 'res3b7_branch2b'),
    ('resnet152', 'layer3.35.conv2', 'res4b35_branch2b')])
def test_resnet(name: str, module: str, layer: str) -> None:
    row = next(row for row in table(name).rows if row.module == module)
    assert row.layer == layer
    assert row.kept == (layer.replace('res', 'bn'), layer.replace('res', 'scale'))
    assert row.norm == (module[:-1] + '1' if 'down' in module else module.replace('conv', 'bn'))


def test_resnets_ends_and_missing_projection() -> None:
    rows = table('resnet34').rows
    assert (rows[0].layer, rows[0].norm, rows[0].kept) == (
        'conv1', 'bn1', ('bn_conv1', 'scale_conv1'))
    assert (rows[-1].module, rows[-1].layer) == ('fc', 'fc1000')
    assert 'layer1.0.downsample.0' not in pairs('resnet34')


@pytest.mark.parametrize('name', WEIGHTED)
def test_nothing_is_left_out_or_named_twice(name: str) -> None:
    found = pairs(name)
    assert len(found) == len(set(found.values())) == WEIGHTED[name]
