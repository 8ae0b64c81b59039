"""Generated nets against the digests of the published files, and what fitting changes in them."""

import ast
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from netspec.families.fcn import fcn, param_str
from netspec.schema import message_digest, messages, print_net
from netspec.variants import VARIANTS
from netspec.variants.data_splits import NYUD_LAYER
from netspec.variants.deeplab_rows import DeepLab
from netspec.variants.row import Split

ROOT = Path(__file__).parents[3]
PUBLISHED = [line.split() for line in
             (ROOT / 'tests/golden/published_files.txt').read_text().splitlines()
             if not line.startswith('#')]
NETS = {path: (text, message) for text, message, _, path in PUBLISHED
        if path.startswith('prototxt/')}
DEPLOY = 'prototxt/voc-fcn8s/deploy.prototxt'
NAMES = [name for name, row in VARIANTS.items() if not isinstance(row, DeepLab)]


def net_of(path: str) -> messages.NetParameter:
    _, name, file = path.split('/')
    return fcn(name, file.removesuffix('.prototxt'))


def params(net: messages.NetParameter) -> dict:
    return ast.literal_eval(net.layer[0].python_param.param_str)


def convolutions(net: messages.NetParameter) -> dict[str, messages.LayerParameter]:
    return {x.name: x for x in net.layer if x.type == 'Convolution'}


def channels(net: messages.NetParameter) -> dict[str, int]:
    return {name: x.convolution_param.num_output for name, x in convolutions(net).items()}


def test_thirty_nets_and_one_deploy_are_published():
    assert len(NETS) == 31 and DEPLOY in NETS


@pytest.mark.parametrize('path', sorted(NETS.keys() - {DEPLOY}))
def test_text_and_message_are_the_published_ones(path):
    net = net_of(path)
    assert (hashlib.sha256(print_net(net).encode()).hexdigest(), message_digest(net)) == NETS[path]


def test_deploy_of_voc_fcn8s_is_the_published_message():
    assert message_digest(net_of(DEPLOY)) == NETS[DEPLOY][1]


@pytest.mark.parametrize('name', NAMES)
def test_deploy_is_the_test_net_from_images_to_scores(name):
    row = VARIANTS[name]
    deploy, data_net = fcn(name, 'deploy'), fcn(name, row.splits[1].file)
    inputs = [x for x in deploy.layer if x.type == 'Input']
    assert [(list(x.top), list(x.input_param.shape[0].dim)) for x in inputs] == [
        ([image.top], [1, image.channels, *(row.frame or row.crop or (500, 500))])
        for image in row.inputs]
    body = [x for x in data_net.layer
            if x.type not in ('Python', 'SoftmaxWithLoss', 'Dropout')]
    assert list(deploy.layer[len(inputs):]) == body
    assert len({x.name for x in deploy.layer}) == len(deploy.layer)


@pytest.mark.parametrize('name', NAMES)
def test_every_bottom_is_made_before_it_is_read(name):
    for split in [s.file for s in VARIANTS[name].splits] + ['deploy']:
        made = set()
        for layer in fcn(name, split).layer:
            assert set(layer.bottom) <= made, layer.name
            made |= set(layer.top)


@pytest.mark.parametrize('name, offsets', [
    ('voc-fcn32s', [19]), ('voc-fcn-alexnet', [18]), ('camvid-fcn16s', [5, 27]),
    ('camvid-fcn8s', [5, 9, 31])])
def test_crop_offsets_of_the_paper_at_any_width(name, offsets):
    for width in 1.0, 0.1:
        net = fcn(name, 'train', width=width)
        assert [x.crop_param.offset[0] for x in net.layer if x.type == 'Crop'] == offsets


def test_camvid_ignores_the_unlabelled_index_and_reads_its_own_layer():
    net = fcn('camvid-fcn8s', 'val')
    assert net.layer[-1].loss_param.ignore_label == 11
    python = net.layer[0].python_param
    assert (python.module, python.layer) == ('camvid_layers', 'CamVidSegDataLayer')
    assert list(params(net)) == ['camvid_dir', 'seed', 'split', 'mean']
    assert params(net)['split'] == 'val'


def test_a_published_split_name_is_as_good_as_its_file():
    assert fcn('voc-fcn8s', 'seg11valid') == fcn('voc-fcn8s', 'val')


def test_without_loss_the_net_ends_in_its_scores():
    net = fcn('siftflow-fcn16s', 'test', loss=False)
    assert [x.name for x in net.layer if not x.type == 'SoftmaxWithLoss'] == [
        x.name for x in net.layer] and net.layer[-1].name == 'score_geo'


@pytest.mark.parametrize('name', ['voc-fcn8s', 'voc-fcn-alexnet', 'nyud-fcn32s-color-hha'])
@pytest.mark.parametrize('width', [0.001, 0.1, 0.25, 0.37, 2])
def test_width_scales_the_trunk_and_never_the_classes(name, width):
    split = VARIANTS[name].splits[0].file
    full, narrow = channels(fcn(name, split)), channels(fcn(name, split, width=width))
    assert full.keys() == narrow.keys()
    for layer, count in full.items():
        wanted = count if layer.startswith('score') else count * width
        assert abs(narrow[layer] - wanted) <= 1 or narrow[layer] == 2, layer


@pytest.mark.parametrize('width', [0.001, 0.01, 0.1, 0.33, 0.5, 1.7])
def test_groups_divide_inputs_and_outputs_at_any_width(width):
    depth = {'data': 3}
    for layer in fcn('voc-fcn-alexnet', 'train', width=width).layer:
        if layer.type == 'Convolution':
            group = layer.convolution_param.group
            assert depth[layer.bottom[0]] % group == 0, layer.name
            assert layer.convolution_param.num_output % group == 0, layer.name
            depth[layer.top[0]] = layer.convolution_param.num_output
        elif layer.type in ('Pooling', 'LRN'):
            depth[layer.top[0]] = depth[layer.bottom[0]]


@pytest.mark.parametrize('options, wanted', [
    (dict(), ''), (dict(width=0.5), 'msra'), (dict(filler='xavier'), 'xavier'),
    (dict(width=0.5, filler='xavier'), 'xavier')])
def test_fillers_on_the_trunk_only(options, wanted):
    for name, layer in convolutions(fcn('voc-fcn16s', 'train', **options)).items():
        filler = layer.convolution_param.weight_filler.type
        has = layer.convolution_param.HasField('weight_filler')
        assert has == bool(wanted and not name.startswith('score')), name
        first = {'msra': 'gaussian', 'xavier': 'uniform'}.get(wanted)
        assert not has or filler == (first if name == 'conv1_1' else wanted)


def test_the_first_filler_allows_for_pixels_of_0_to_255():
    """The standard deviation of msra, sqrt(2 / fan_in), and of pixels about 64 times too wide."""
    first = convolutions(fcn('camvid-fcn32s', 'train', width=0.25))['conv1_1']
    std = first.convolution_param.weight_filler.std
    assert abs(std * 64 / (2 / 27) ** 0.5 - 1) < 1e-3


def test_deconvolutions_have_no_filler():
    net = fcn('voc-fcn16s', 'train', width=0.5)
    ups = [x.convolution_param for x in net.layer if x.type == 'Deconvolution']
    assert len(ups) == 2 and not any(x.HasField('weight_filler') for x in ups)


def scores(net: messages.NetParameter) -> set[int]:
    return {x.convolution_param.num_output for x in net.layer if 'score' in x.name
            and x.type in ('Convolution', 'Deconvolution')}


def test_classes_replace_every_score_and_reach_the_data_layer():
    net = fcn('voc-fcn8s', 'train', classes=5)
    assert scores(net) == {5}
    assert params(net)['classes'] == 5 and 'ignore_label' not in params(net)
    assert net.layer[-1].loss_param.ignore_label == 255


def test_published_class_counts_leave_the_net_as_it_is():
    assert fcn('voc-fcn8s', 'train', classes=21) == fcn('voc-fcn8s', 'train')


def test_unlabelled_follows_the_last_class_on_camvid():
    net = fcn('camvid-fcn32s', 'train', classes=4)
    assert net.layer[-1].loss_param.ignore_label == 4
    assert (params(net)['classes'], params(net)['ignore_label']) == (4, 4)


def test_ignore_label_can_be_said():
    net = fcn('camvid-fcn32s', 'train', classes=4, ignore_label=255)
    assert net.layer[-1].loss_param.ignore_label == params(net)['ignore_label'] == 255


@pytest.mark.parametrize('classes, sem, geo', [(7, 7, 3), ((7,), 7, 3), ((7, 2), 7, 2)])
def test_classes_of_two_heads(classes, sem, geo):
    counts = channels(fcn('siftflow-fcn32s', 'test', classes=classes))
    assert (counts['score_fr_sem'], counts['score_fr_geo']) == (sem, geo)


@pytest.mark.parametrize('name', NAMES)
def test_one_data_root_replaces_every_folder(name):
    for split in VARIANTS[name].splits:
        values = params(fcn(name, split.file, data_root=Path('/my data/it\'s')))
        folders = {key: value for key, value in values.items() if key.endswith('_dir')}
        assert folders and set(folders.values()) == {"/my data/it's"}


def test_one_folder_for_voc_is_in_vocs_layout():
    for split, name in ('train', 'train'), ('val', 'val'):
        net = fcn('voc-fcn8s', split, data_root='mine')
        assert net.layer[0].python_param.layer == 'VOCSegDataLayer'
        assert params(net) == dict(voc_dir='mine', seed=1337, split=name,
                                   mean=(104.00699, 116.66877, 122.67892))


def test_a_folder_by_key_keeps_the_published_layers():
    roots = dict(sbdd_dir='/sbdd', voc_dir='/voc')
    assert params(fcn('voc-fcn8s', 'train', data_root=roots))['sbdd_dir'] == '/sbdd'
    assert params(fcn('voc-fcn8s', 'val', data_root=roots))['voc_dir'] == '/voc'
    assert params(fcn('voc-fcn8s', 'val', data_root=dict(sbdd_dir='/sbdd')))['split'] == (
        'seg11valid')


def test_other_entries_of_param_str():
    values = params(fcn('voc-fcn8s', 'val', data_params=dict(split='few', randomize=False)))
    assert (values['split'], values['randomize']) == ('few', False)


def test_a_split_of_ones_own():
    row = VARIANTS['nyud-fcn32s-hha']
    assert param_str(row, Split('few', 'first10', NYUD_LAYER)) == (
        "{'tops': ['hha', 'label'], 'seed': 1337, 'nyud_dir': '../data/nyud', 'split': 'first10'}")


def test_a_row_of_ones_own():
    row = replace(VARIANTS['voc-fcn16s'], name='mine', trunk='alexnet', stride=32)
    assert fcn(row, 'deploy') == fcn('voc-fcn-alexnet', 'deploy')


@pytest.mark.parametrize('arguments, options, error, text', [
    (('voc-fcn8', 'train'), {}, KeyError, "'voc-fcn8'; did you mean 'voc-fcn8s'"),
    (('voc-fcn8s', 'trainval'), {}, KeyError, "no split 'trainval'; did you mean 'train'"),
    (('voc-fcn8s', 'train'), dict(width=0), ValueError, 'width 0'),
    (('voc-fcn8s', 'train'), dict(width=float('nan')), ValueError, 'width nan'),
    (('voc-fcn8s', 'train'), dict(filler='he'), ValueError, "'he': expected msra or xavier"),
    (('voc-fcn8s', 'train'), dict(classes=0), ValueError, 'classes 0'),
    (('voc-fcn8s', 'train'), dict(classes=()), ValueError, 'classes '),
    (('siftflow-fcn8s', 'test'), dict(classes=(1, 2, 3)), ValueError, 'siftflow_sem'),
    (('voc-fcn8s', 'train'), dict(data_root=dict(vocdir='x')), KeyError,
     "'vocdir'; did you mean 'voc_dir'")])
def test_bad_arguments(arguments, options, error, text):
    with pytest.raises(error, match=text):
        fcn(*arguments, **options)
