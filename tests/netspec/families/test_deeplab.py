"""DeepLab's own nets: counts that the papers state, sizes, widths, and what fitting changes."""

from collections import Counter
from functools import cache
from math import prod

import pytest

from netspec.families import make_net
from netspec.families.deeplab import deeplab, find_deeplab
from netspec.schema.messages import TRAIN, LayerParameter, NetParameter
from netspec.variants import VARIANTS
from netspec.variants.deeplab_rows import DEEPLAB_ROWS, DeepLab
from surgery import param_shapes

# Nets of 1,350 layers take their time, and these two are between those that stay.
SLOW = ('deeplab-resnet101-msc', 'deeplab-resnet101-largefov')
NAMES = [pytest.param(row.name, marks=[pytest.mark.slow] * (row.name in SLOW))
         for row in DEEPLAB_ROWS]
published = cache(make_net)


def channels(net: NetParameter) -> dict[str, int]:
    return {x.name: x.convolution_param.num_output for x in net.layer if x.type == 'Convolution'}


def by_name(net: NetParameter) -> dict[str, LayerParameter]:
    return {layer.name: layer for layer in net.layer}


@pytest.mark.parametrize(('name', 'millions'), [
    ('deeplab-7x7', 134.3), ('deeplab-4x4', 65.1), ('deeplab-4x4-r8', 65.1),
    ('deeplab-largefov', 20.5)])
def test_parameters_are_as_many_as_the_paper_says(name, millions):
    """arXiv 1412.7062, table 2."""
    shapes = param_shapes(published(name, 'deploy'))
    count = sum(prod(shape) for blobs in shapes.values() for shape in blobs)
    assert round(count / 1e6, 1) == millions


@pytest.mark.parametrize(('name', 'field_of_view'), [
    ('deeplab-7x7', 224), ('deeplab-4x4', 128), ('deeplab-4x4-r8', 224),
    ('deeplab-largefov', 224)])
def test_the_papers_field_of_view_is_that_of_kernel_and_rate(name, field_of_view):
    """The paper counts 32 pixels for a value of pool5, and 8 to the next one of a kernel."""
    fc6 = by_name(published(name, 'train'))['fc6'].convolution_param
    kernel, rate, pad = fc6.kernel_size[0], fc6.dilation[0], fc6.pad[0]
    assert 8 * (kernel - 1) * rate + 32 == field_of_view
    assert 2 * pad == rate * (kernel - 1), 'fc6 keeps the size'


def test_layers_of_resnet101s_training_net():
    net = published('deeplab-resnet101', 'train')
    assert len(net.layer) == 1369
    assert Counter(layer.type for layer in net.layer) == dict(
        Convolution=324, BatchNorm=312, Scale=312, ReLU=300, Eltwise=103, Interp=6,
        SoftmaxWithLoss=4, SegAccuracy=4, Pooling=3, ImageSegData=1)


def test_three_scales_share_their_parameters():
    net = published('deeplab-resnet101', 'train')
    owners = Counter(param.name for layer in net.layer for param in layer.param)
    assert set(owners.values()) == {3} and '' not in owners
    plain = published('deeplab-resnet101-plain', 'train')
    assert set(Counter(p.name for x in plain.layer for p in x.param).values()) == {1}


@pytest.mark.parametrize('name', NAMES)
def test_every_bottom_is_made_before_it_is_read(name):
    for file in 'train', 'test', 'deploy':
        made, names = set(), set()
        for layer in published(name, file).layer:
            assert set(layer.bottom) <= made, layer.name
            assert layer.name not in names, layer.name
            made |= set(layer.top)
            names.add(layer.name)


@pytest.mark.parametrize('name', NAMES)
def test_test_and_deploy_end_in_a_score_of_the_images_size(name):
    row = VARIANTS[name]
    for file in 'test', 'deploy':
        score = by_name(published(name, file))['score']
        assert score.type == 'Crop' and score.bottom[1] == 'data'
        assert score.crop_param.offset == [7 if name == 'deeplab-4x4' else 0]
    test, deploy = published(name, 'test'), published(name, 'deploy')
    assert deploy.layer[0].input_param.shape[0].dim == [1, 3, row.crops[1], row.crops[1]]
    assert test.layer[0].transform_param.crop_size == row.crops[1]
    compare = test.layer[-1]
    assert compare.type == 'SegAccuracy' and compare.bottom == ['score', 'label']
    assert not compare.seg_accuracy_param.reset
    assert 'Dropout' not in {layer.type for layer in deploy.layer}
    body = [x for x in test.layer if x.type not in ('ImageSegData', 'Silence', 'Dropout',
                                                    'SegAccuracy')]
    rest = list(deploy.layer[1:])
    if row.multiscale and row.trunk == 'vgg16':     # for images of any size
        crops = {x.top[0]: x.bottom[0] for x in rest if x.name.endswith('_crop')}
        assert [*crops] == ['pool1_crop', 'pool2_crop', 'pool3_crop', 'pool4_crop', 'fc8_crop']
        rest = [x for x in rest if x.name not in crops]
        fusion = rest[-2] = LayerParameter.FromString(rest[-2].SerializeToString())
        fusion.bottom[:] = [crops.get(bottom, bottom) for bottom in fusion.bottom]
    assert rest == body


@pytest.mark.parametrize('name', NAMES)
def test_data_layers_read_the_published_lists(name):
    row = VARIANTS[name]
    for split in (*row.splits, *([] if row.trunk == 'resnet101' else row.more_splits)):
        layer = published(name, split.file).layer[0]
        assert layer.type == 'ImageSegData'
        image, transform = layer.image_data_param, layer.transform_param
        assert image.source == f'../data/VOC2012/list/{split.name}.txt'
        assert image.root_folder == '../data/VOC2012' and image.label_type == image.PIXEL
        train = split.file != 'test'
        assert (transform.mirror, image.shuffle) == (train, train)
        assert transform.crop_size == row.crops[not train]
        assert list(transform.scale_factors) == (list(row.scale_factors) if train else [])
        assert image.batch_size == (row.batch if train else 1)


def test_a_data_root_replaces_every_folder():
    image = make_net('deeplab-largefov', 'train', data_root='/my data').layer[0].image_data_param
    assert (image.root_folder, image.source) == ('/my data', '/my data/list/train_aug.txt')
    roots = dict(root_folder='/pictures', source='/lists')
    image = make_net('deeplab-largefov', 'val', data_root=roots,
                     data_params=dict(label_type=0)).layer[0].image_data_param
    assert (image.root_folder, image.source) == ('/pictures', '/lists/val.txt')
    assert image.label_type == image.NONE
    with pytest.raises(KeyError, match="no data folder 'sauce'; did you mean 'source'"):
        make_net('deeplab-largefov', 'train', data_root=dict(sauce='/'))


@pytest.mark.parametrize('name', NAMES)
def test_width_scales_the_trunk_and_never_the_classes(name):
    row = find_deeplab(name)
    full = channels(published(name, 'train'))
    narrow = channels(published(name, 'train', width=1 / 16, classes=5))
    assert full.keys() == narrow.keys()
    for layer, count in full.items():
        if layer.startswith(row.head) or layer.endswith('_ms'):
            assert (count, narrow[layer]) == (21, 5)
        else:
            assert narrow[layer] == count / 16


@pytest.mark.parametrize('name', NAMES)
def test_a_narrow_net_has_fillers_and_learns_everywhere(name):
    for layer in published(name, 'train', width=1 / 16, classes=5).layer:
        if layer.type == 'Convolution':
            last = layer.name == 'pool3_ms'         # the authors' own omission
            assert last or layer.convolution_param.weight_filler.type in ('msra', 'gaussian')
            assert layer.param[0].lr_mult > 0, layer.name
        elif layer.type == 'BatchNorm':
            assert not layer.HasField('batch_norm_param')
        elif layer.type == 'Scale':
            assert all(param.lr_mult == 1 for param in layer.param)


def test_the_published_nets_keep_imagenets_statistics():
    for layer in published('deeplab-resnet101-plain', 'train').layer:
        if layer.type in ('BatchNorm', 'Scale'):
            assert all(param.lr_mult == 0 for param in layer.param)
            assert layer.type == 'Scale' or layer.batch_norm_param.use_global_stats


def test_paths_are_learnt_on_top_of_a_finished_net():
    learnt = {layer.name for layer in published('deeplab-msc-largefov', 'train').layer
              if any(param.lr_mult for param in layer.param)}
    assert learnt == {f'{name}_{part}' for name in ('data', 'pool1', 'pool2', 'pool3', 'pool4')
                      for part in ('conv', 'fc', 'ms')}
    learnt = {layer.name for layer in published('deeplab-msc', 'train').layer
              if any(param.lr_mult for param in layer.param)}
    assert 'fc8_pascal' in learnt and 'fc7' not in learnt


def test_splits_by_either_name_and_without_loss():
    assert make_net('deeplab-4x4', 'trainval_aug') == make_net('deeplab-4x4', 'train2')
    assert make_net('deeplab-4x4', 'train', loss=False).layer[-1].name == 'fc8_pascal'
    assert make_net('deeplab-4x4', 'val', loss=False).layer[-1].name == 'score'
    with pytest.raises(KeyError, match="deeplab-4x4 has no split 'tests'; did you mean 'test'"):
        make_net('deeplab-4x4', 'tests')
    with pytest.raises(ValueError, match="voc-fcn8s is no net of DeepLab's"):
        deeplab('voc-fcn8s', 'train')


def test_an_ignored_label_of_ones_own():
    layers = by_name(make_net('deeplab-4x4', 'train', ignore_label=0))
    assert layers['loss'].loss_param.ignore_label == 0
    assert layers['accuracy'].seg_accuracy_param.ignore_label == [0]


def test_four_by_four_sees_labels_where_its_scores_lie():
    """Of 306 pixels its pools make 39 values, the first at pixel 1: labels lose their first."""
    shrink = by_name(published('deeplab-4x4', 'train'))['label_shrink'].interp_param
    assert (shrink.shrink_factor, shrink.pad_beg, shrink.pad_end) == (8, -1, 0)
    assert all(x.include == [] for x in published('deeplab-4x4', 'train').layer) and TRAIN == 0


def test_rows_differ_from_the_published_ones_by_what_the_papers_compare():
    rows: dict[str, DeepLab] = {row.name: row for row in DEEPLAB_ROWS}
    assert rows['deeplab-vgg16-aspp-s'].rates == (2, 4, 8, 12)
    assert rows['deeplab-vgg16-aspp-l'].rates == (6, 12, 18, 24)
    assert rows['deeplab-resnet101'].grid == rows['deeplab-resnet101-msc'].grid == 32
    assert (rows['deeplab-resnet101-plain'].grid, rows['deeplab-largefov'].grid) == (8, 1)
    for name, copies in ('plain', 1), ('msc', 3), ('largefov', 3):
        made = channels(published(f'deeplab-resnet101-{name}', 'train'))
        assert sum(layer.startswith('fc1_voc12') for layer in made) == copies
