"""Every row's surgery on narrow nets, against the published solve.py's steps in plain numpy."""

import re

import numpy as np
import pytest

from netspec.families.fcn import fcn
from netspec.variants import VARIANTS
from netspec.variants.fcn_rows import FCN_ROWS
from surgery.recipes import apply
from surgery.shapes import blank, drawn_layers, param_shapes

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
