"""The table of nets against the facts that the paper and the published repository state."""

import dataclasses
import json

import numpy as np
import pytest

from netspec.variants import VARIANTS, find_variant
from netspec.variants.data_splits import CAMVID_MEAN
from netspec.variants.row import Init

# net: classes, stride, images and labels in the order of the data layer, starts from
FACTS = {
    'voc-fcn32s': ([21], 32, ['data', 'label'], ['VGG16']),
    'voc-fcn16s': ([21], 16, ['data', 'label'], ['voc-fcn32s']),
    'voc-fcn8s': ([21], 8, ['data', 'label'], ['voc-fcn16s']),
    'voc-fcn8s-atonce': ([21], 8, ['data', 'label'], ['VGG16']),
    'voc-fcn-alexnet': ([21], 32, ['data', 'label'], ['CaffeNet']),
    'pascalcontext-fcn32s': ([60], 32, ['data', 'label'], ['VGG16']),
    'pascalcontext-fcn16s': ([60], 16, ['data', 'label'], ['pascalcontext-fcn32s']),
    'pascalcontext-fcn8s': ([60], 8, ['data', 'label'], ['pascalcontext-fcn16s']),
    'siftflow-fcn32s': ([33, 3], 32, ['data', 'sem', 'geo'], ['VGG16']),
    'siftflow-fcn16s': ([33, 3], 16, ['data', 'sem', 'geo'], ['siftflow-fcn32s']),
    'siftflow-fcn8s': ([33, 3], 8, ['data', 'sem', 'geo'], ['siftflow-fcn16s']),
    'nyud-fcn32s-color': ([40], 32, ['data', 'label'], ['VGG16']),
    'nyud-fcn32s-hha': ([40], 32, ['data', 'label'], ['VGG16']),
    'nyud-fcn32s-color-d': ([40], 32, ['color', 'depth', 'label'], ['VGG16']),
    'nyud-fcn32s-color-hha': ([40], 32, ['color', 'hha', 'label'],
                              ['nyud-fcn32s-color', 'nyud-fcn32s-hha']),
    'camvid-fcn32s': ([11], 32, ['data', 'label'], ['VGG16']),
    'camvid-fcn16s': ([11], 16, ['data', 'label'], ['camvid-fcn32s']),
    'camvid-fcn8s': ([11], 8, ['data', 'label'], ['camvid-fcn16s']),
    'camvid-segnet-basic': ([11], 1, ['data', 'label'], []),
    'camvid-segnet-basic-balanced': ([11], 1, ['data', 'label'], []),
    'camvid-fcn-basic': ([11], 1, ['data', 'label'], []),
    'camvid-fcn-basic-balanced': ([11], 1, ['data', 'label'], []),
    'camvid-segnet': ([11], 1, ['data', 'label'], ['VGG16']),
    'voc-fcn-googlenet': ([21], 32, ['data', 'label'], ['GoogLeNet']),
    'voc-fcn8s-resnet34': ([21], 8, ['data', 'label'], ['ResNet34']),
    'voc-fcn16s-squeezenet': ([21], 16, ['data', 'label'], ['SqueezeNet']),
    'voc-fcn8s-squeezenet': ([21], 8, ['data', 'label'], ['voc-fcn16s-squeezenet']),
    'voc-fcn4s-squeezenet': ([21], 4, ['data', 'label'], ['voc-fcn8s-squeezenet']),
    'camvid-fcn16s-squeezenet': ([11], 16, ['data', 'label'], ['SqueezeNet']),
    'camvid-fcn8s-squeezenet': ([11], 8, ['data', 'label'], ['camvid-fcn16s-squeezenet']),
    'camvid-fcn4s-squeezenet': ([11], 4, ['data', 'label'], ['camvid-fcn8s-squeezenet']),
    'camvid-fcn8s-vggbn': ([12], 8, ['data', 'label'], ['VGG16-bn']),
    **{f'deeplab-{name}': ([21], 8, ['data', 'label'], [donor]) for name, donor in (
        ('4x4', 'VGG16'), ('7x7', 'VGG16'), ('4x4-r8', 'VGG16'), ('largefov', 'VGG16'),
        ('msc', 'deeplab-4x4'), ('msc-largefov', 'deeplab-largefov'), ('vgg16-largefov', 'VGG16'),
        ('vgg16-aspp-s', 'VGG16'), ('vgg16-aspp-l', 'VGG16'), ('resnet101-plain', 'ResNet101'),
        ('resnet101-msc', 'ResNet101'), ('resnet101-largefov', 'ResNet101'),
        ('resnet101', 'ResNet101'))},
}
CLASSIFIERS = {'VGG16', 'CaffeNet', 'GoogLeNet', 'ResNet34', 'SqueezeNet', 'VGG16-bn',
               'ResNet101'}
# net: block and repeats that the published solve.py runs
STEPS = {'voc-fcn8s': (4000, 25), 'voc-fcn8s-atonce': (4000, 75), 'voc-fcn-alexnet': (4000, 25),
         'pascalcontext-fcn16s': (8000, 50), 'siftflow-fcn8s': (2000, 50),
         'nyud-fcn32s-color-hha': (2000, 50)}


def test_all_are_there():
    assert list(VARIANTS) == list(FACTS)


@pytest.mark.parametrize('name', FACTS)
def test_row(name):
    row = VARIANTS[name]
    tops = [image.top for image in row.inputs] + [head.label for head in row.heads]
    assert ([head.classes for head in row.heads], row.stride, tops,
            [init.donor for init in row.init]) == FACTS[name]
    assert row.name == name and row.dataset == name.split('-')[0].replace('deeplab', 'voc')


@pytest.mark.parametrize('name', STEPS)
def test_steps_of_the_driver(name):
    schedule = VARIANTS[name].schedule
    assert (schedule.block, schedule.repeats) == STEPS[name]


def test_surgery_of_the_two_modalities():
    assert VARIANTS['nyud-fcn32s-color-d'].init == (
        Init('VGG16', mean_channel=('conv1_1', 'conv1_1_bgrd')),)
    assert [init.suffix for init in VARIANTS['nyud-fcn32s-color-hha'].init] == ['color', 'hha']


@pytest.mark.parametrize('name', VARIANTS)
def test_every_chain_of_donors_begins_with_a_classifier(name):
    seen = set()
    waiting = [name]
    while waiting:
        here = waiting.pop()
        assert here not in seen, f'{here} would start from itself'
        seen.add(here)
        waiting += [init.donor for init in VARIANTS[here].init
                    if init.donor not in CLASSIFIERS]


@pytest.mark.parametrize('name', VARIANTS)
def test_a_mean_for_every_channel(name):
    row = VARIANTS[name]
    assert all(len(image.mean) == image.channels for image in row.inputs)
    assert row.mean == row.inputs[0].mean and row.classes == row.heads[0].classes


def test_rows_are_frozen_and_go_into_json():
    row = VARIANTS['siftflow-fcn8s']
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.stride = 4
    assert hash(row) == hash(dataclasses.replace(row))
    assert json.loads(json.dumps(dataclasses.asdict(row)))['heads'][1]['classes'] == 3


def test_find_variant():
    row = VARIANTS['voc-fcn8s']
    assert find_variant('voc-fcn8s') is row and find_variant(row) is row
    with pytest.raises(KeyError, match="'camvid-fcn8'; did you mean 'camvid-fcn8s'"):
        find_variant('camvid-fcn8')


@pytest.mark.data
def test_camvid_mean_is_that_of_its_training_frames(shared):
    image = pytest.importorskip('PIL.Image')
    frames = sorted((shared / 'camvid/train').glob('*.jpg'))
    if not frames:
        pytest.skip(f'{shared}/camvid/train has no frames')
    sums = sum(np.asarray(image.open(frame)).sum((0, 1), dtype=np.int64) for frame in frames)
    rgb = sums / (len(frames) * 480 * 360)
    # Three decimals are stated; decoders of JPEG differ by less than a thousandth on average.
    assert len(frames) == 367 and np.abs(rgb[::-1] - CAMVID_MEAN).max() < 0.002
