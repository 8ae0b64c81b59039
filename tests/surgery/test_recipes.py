"""Every row's surgery on narrow nets, against the published solve.py's steps in plain numpy."""

import re

import numpy as np
import pytest

from netspec.families import make_net
from netspec.families.fcn import fcn
from netspec.variants import VARIANTS
from netspec.variants.deeplab_rows import DEEPLAB_ROWS
from netspec.variants.fcn_rows import FCN_ROWS
from surgery.recipes import apply
from surgery.shapes import blank, drawn_layers, param_shapes
from surgery.torchvision import from_caffe, to_caffe

WIDTH = 1 / 32
KERNELS = {'VGG16': 7, 'CaffeNet': 6}              # of fc6
TRUNK_OF = {'VGG16': 'voc-fcn32s', 'CaffeNet': 'voc-fcn-alexnet', 'GoogLeNet': 'voc-fcn-googlenet',
            'ResNet34': 'voc-fcn8s-resnet34', 'SqueezeNet': 'voc-fcn16s-squeezenet',
            'VGG16-bn': 'camvid-fcn8s-vggbn'}
# What a classifier has not: scores, upsampling, and the CamVid net's own features.
OURS = re.compile('score|up|reduce|fuse')
# What keeps its own fillers, where a donor has nothing for it.
FILLED = re.compile('scale_pool|conv1_1_bgrd|reduce_|conv._._D|conv._._(bn|scale)$')


def filled(shapes: dict[str, list[tuple[int, ...]]], seed: int) -> dict[str, list[np.ndarray]]:
    """Draw weights; kernels for upsampling stay at zero between classes, here altogether."""
    rng = np.random.default_rng(seed)
    return {layer: [rng.standard_normal(shape).astype(np.float32) * ('up' not in layer)
                    for shape in blobs]
            for layer, blobs in shapes.items()}


def classifier(name: str) -> dict[str, list[np.ndarray]]:
    """Make a classifier's weights: fc6 and fc7 as matrices, a class layer fc8, biases 4-D."""
    shapes = param_shapes(fcn(TRUNK_OF[name], 'deploy', WIDTH))
    shapes = {layer: blobs for layer, blobs in shapes.items() if not OURS.match(layer)}
    if name not in KERNELS:
        return filled(shapes, 1)
    for layer in ('fc6', 'fc7'):
        weight = shapes[layer][0]
        shapes[layer] = [(weight[0], int(np.prod(weight[1:]))), (1, 1, 1, weight[0])]
    shapes['fc8'] = [(10, shapes['fc7'][0][0]), (1, 1, 1, 10)]
    return filled(shapes, 1)


def donors(name: str) -> list[dict[str, list[np.ndarray]]]:
    return [classifier(init.donor) if init.donor in TRUNK_OF else
            filled(param_shapes(fcn(init.donor, 'deploy', WIDTH)), 2 + i)
            for i, init in enumerate(VARIANTS[name].init)]


def trained(name: str):
    """Return a row's new net after surgery, the report, and its donors."""
    net, sources = fcn(name, VARIANTS[name].splits[0].file, WIDTH), donors(name)
    new = blank(net)
    return new, apply(name, new, *sources, drawn=drawn_layers(net)), sources


@pytest.mark.parametrize('name', [row.name for row in FCN_ROWS])
def test_every_layer_has_what_the_recipe_gives(name):
    new, report, sources = trained(name)
    given = {layer + init.suffix: blobs
             for init, source in zip(VARIANTS[name].init, sources, strict=True)
             for layer, blobs in source.items()}
    for layer, blobs in new.items():
        if 'up' in layer:
            channels = np.arange(len(blobs[0]))
            line = blobs[0][0, 0].sum(axis=0)
            assert (line > 0).all() and line.sum() == pytest.approx(blobs[0][0, 0].sum())
            off = blobs[0].copy()
            off[channels, channels] = 0
            assert not off.any() and layer in report.filled
        elif layer in given:
            for blob, source in zip(blobs, given[layer], strict=True):
                assert blob.ravel().tolist() == source.ravel().tolist()
        elif layer.startswith('score'):
            assert not any(blob.any() for blob in blobs) and layer in report.missing
        else:
            assert FILLED.match(layer)
    assert all('training starts from the filler' in line for line in report.loud)
    assert bool(report.loud) == (name in ('camvid-segnet', 'camvid-fcn8s-vggbn'))


def test_a_fourth_channel_starts_at_the_mean_of_three():
    new, report, (source,) = trained('nyud-fcn32s-color-d')
    weight, bias = new['conv1_1_bgrd']
    np.testing.assert_array_equal(weight[:, :3], source['conv1_1'][0])
    theirs = source['conv1_1'][0]
    mean = (theirs[:, 0] + theirs[:, 1] + theirs[:, 2]) / 3
    np.testing.assert_allclose(weight[:, 3], mean, rtol=1e-6, atol=1e-7)  # order of float32 sums
    np.testing.assert_array_equal(bias, source['conv1_1'][1].ravel())
    assert 'mean' in report.filled['conv1_1_bgrd'] and 'conv1_1' not in report.dropped
    assert 'conv1_1_bgrd' not in report.missing


def test_a_net_that_has_its_fourth_channel_keeps_it():
    name = 'nyud-fcn32s-color-d'
    source = filled(param_shapes(fcn(name, 'deploy', WIDTH)), 5)
    new = blank(fcn(name, 'deploy', WIDTH))
    apply(name, new, source)
    np.testing.assert_array_equal(new['conv1_1_bgrd'][0], source['conv1_1_bgrd'][0])


def test_two_trunks_come_from_two_nets():
    new, report, (color, hha) = trained('nyud-fcn32s-color-hha')
    np.testing.assert_array_equal(new['fc6color'][0], color['fc6'][0])
    np.testing.assert_array_equal(new['fc6hha'][0], hha['fc6'][0])
    np.testing.assert_array_equal(new['score_frcolor'][0], color['score_fr'][0])
    assert report.missing == {}


def test_skips_start_at_zero_and_scales_at_their_constant():
    new, report, _ = trained('voc-fcn8s-atonce')
    assert new['scale_pool4'][0].tolist() == [np.float32(0.01)] * len(new['scale_pool4'][0])
    assert new['scale_pool3'][0].tolist() == [np.float32(0.0001)] * len(new['scale_pool3'][0])
    assert not new['score_pool4'][0].any()


def test_other_counts_of_sources_are_refused():
    with pytest.raises(ValueError, match=r'2 nets \(nyud-fcn32s-color, nyud-fcn32s-hha\), got 1'):
        apply('nyud-fcn32s-color-hha', {}, {})


def test_an_unknown_row_is_named():
    with pytest.raises(KeyError, match='voc-fcn32s'):
        apply('voc-fcn32', {}, {})


def test_a_first_layer_of_other_width_is_refused():
    name = 'nyud-fcn32s-color-d'
    source = donors(name)[0]
    source['conv1_1'] = [source['conv1_1'][0][:1], source['conv1_1'][1][..., :1]]
    with pytest.raises(ValueError, match="'conv1_1_bgrd' blob 0"):
        apply(name, blank(fcn(name, 'deploy', WIDTH)), source)


def test_the_wrong_weights_are_loud():
    new = blank(fcn('voc-fcn32s', 'deploy', WIDTH))
    source = {layer + '_conv' if layer.startswith('fc') else layer: blobs
              for layer, blobs in donors('voc-fcn32s')[0].items()}
    report = apply('voc-fcn32s', new, source)
    assert report.loud[0].startswith('fc6, fc7: no weights, only zeros')


def test_skipped_layers_are_not_taken():
    source = filled(param_shapes(fcn('voc-fcn32s', 'deploy', WIDTH)), 4)
    new = blank(fcn('voc-fcn16s', 'deploy', WIDTH, classes=5))
    with pytest.raises(ValueError, match='score_fr'):
        apply('voc-fcn16s', new, source)
    report = apply('voc-fcn16s', new, source, skip=['score_fr', 'upscore'])
    assert not new['score_fr'][0].any() and 'score_fr' in report.dropped


def test_nets_from_fillers_inherit_nothing():
    with pytest.raises(ValueError, match='camvid-fcn-basic is trained from its fillers'):
        apply('camvid-fcn-basic', {})


def deeplab_donor(name: str) -> dict[str, list[np.ndarray]]:
    """Make the weights that a row of DeepLab begins with: a classifier's, or another row's."""
    (init,) = VARIANTS[name].init
    if init.donor == 'VGG16':
        return classifier('VGG16')
    if init.donor == 'ResNet101':                  # under MSRA's names, with its own class layer
        shapes = param_shapes(make_net(name, 'deploy', width=WIDTH))
        trunk = {layer: blobs for layer, blobs in shapes.items()
                 if not layer.startswith('fc1') and '_res0' not in layer}
        weights = filled(trunk | {'fc1000': [(10, 64), (10,)]}, 7)
        for layer in [layer for layer in weights if layer.startswith('bn')]:
            weights[layer][2][...] = 1                     # what the sums are divided by
        return weights
    return filled(param_shapes(make_net(init.donor, 'deploy', width=WIDTH)), 8)


def begun(name: str):
    """Return a DeepLab row's training net after surgery, the report, and its donor."""
    net, source = make_net(name, 'train', width=WIDTH), deeplab_donor(name)
    new = blank(net)
    return new, apply(name, new, source, drawn=drawn_layers(net)), source


@pytest.mark.parametrize('name', [row.name for row in DEEPLAB_ROWS])
def test_deeplab_begins_with_all_that_its_donor_knows(name):
    """What is left is drawn: the classifier, and the direct paths of MSc."""
    new, report, source = begun(name)
    for layer in report.missing:
        assert layer.startswith(VARIANTS[name].head) or layer.endswith(('_conv', '_fc', '_ms'))
    for layer, blobs in new.items():
        if layer in source and layer not in report.missing and layer not in report.filled:
            for blob, theirs in zip(blobs, source[layer], strict=True):
                assert blob.ravel().tolist() == theirs.ravel().tolist()
    assert all('from the filler' in line for line in report.loud) and len(report.loud) == 1


@pytest.mark.parametrize(('name', 'filters', 'taps'), [
    ('deeplab-7x7', 1, 1), ('deeplab-4x4', 1, 2), ('deeplab-4x4-r8', 1, 2),
    ('deeplab-largefov', 4, 3), ('deeplab-vgg16-largefov', 4, 3), ('deeplab-vgg16-aspp-l', 4, 3)])
def test_deeplabs_classifier_is_sampled(name, filters, taps):
    new, report, source = begun(name)
    fc6 = source['fc6'][0].reshape(len(source['fc6'][0]), -1, 7, 7)[::filters, :, ::taps, ::taps]
    fc7 = source['fc7'][0][::filters, ::filters]
    branches = [f'_{i}' for i in (1, 2, 3, 4)] if 'aspp' in name else ['']
    for branch in branches:
        np.testing.assert_array_equal(new[f'fc6{branch}'][0], fc6)
        np.testing.assert_array_equal(new[f'fc7{branch}'][0][:, :, 0, 0], fc7)
        np.testing.assert_array_equal(new[f'fc7{branch}'][1], source['fc7'][1].ravel()[::filters])
        assert ('sampled down' in report.filled.get(f'fc6{branch}', '')) == (taps > 1)


def test_deeplab_learns_only_the_paths_on_a_finished_net():
    """MSc on LargeFOV: what it inherits has no learning rate, what it draws has."""
    net = make_net('deeplab-msc-largefov', 'train')      # a narrow one would learn it all anew
    _, report, _ = begun('deeplab-msc-largefov')
    rates = {layer.name: [spec.lr_mult for spec in layer.param] for layer in net.layer
             if layer.type == 'Convolution'}
    for layer, rate in rates.items():
        assert rate == ([1, 2] if layer in report.missing else [0, 0]), layer


def test_resnet_101_from_torchvisions_names():
    """Each trunk layer finds its place, the three scales share it, and the stride is spoken of."""
    net, mean = make_net('deeplab-resnet101', 'train', width=WIDTH), (104, 117, 123)
    source = deeplab_donor('deeplab-resnet101')
    tensors, left = from_caffe(source, mean)
    new = blank(net)
    report = apply('deeplab-resnet101', new, to_caffe(tensors, mean), drawn=drawn_layers(net))
    assert left == [] and report.dropped == {'fc1000': [0, 1]}
    for layer in ('res2a_branch1', 'bn4b22_branch2b', 'scale5c_branch2c', 'res3a_branch2a'):
        for blob, shared, theirs in zip(new[layer], new[f'{layer}_res05'], source[layer],
                                        strict=True):
            np.testing.assert_array_equal(blob, theirs)
            assert shared is blob
    assert any('halves the image in the 3 x 3 convolution of res3a' in line for line in report.loud)
    assert {layer.partition('_c')[0] for layer in report.missing} == {
        f'fc1_voc12{suffix}' for suffix in ('', '_res05', '_res075')}
