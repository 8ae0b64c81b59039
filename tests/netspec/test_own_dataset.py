"""netspec.own_dataset: rows of a user's own dataset."""

import json
from pathlib import Path

import pytest

from netspec.experiments import find_experiment, is_known
from netspec.families.fcn import fcn
from netspec.generate import data_roots
from netspec.own_dataset import (
    check_names,
    find_own,
    iterations_for,
    own_row,
    staged_name,
    staged_place,
)
from netspec.solver_param import solver
from netspec.variants import VARIANTS
from port.reproduce.recipe import Settings, chain

MEAN = (1.0, 2.0, 3.0)


def test_the_row_carries_the_users_numbers():
    row = own_row('my-cars', 4, MEAN, 17, ignore_label=9, stride=8)
    assert (row.classes, row.mean, row.ignore_label, row.schedule.test_iter) == (4, MEAN, 9, 17)
    layer = fcn(row, 'train').layer
    assert "'classes': 4, 'ignore_label': 9" in layer[0].python_param.param_str
    assert layer[-1].loss_param.ignore_label == 9
    assert [init.donor for init in row.init] == ['VGG16'] and row.skip_scales


def test_the_finest_is_the_published_at_once_net_but_for_the_data():
    ours = fcn(own_row('x', 21, MEAN, 1, stride=8), 'train').layer[1:]
    assert list(ours) == list(fcn('voc-fcn8s-atonce', 'train').layer[1:])


def test_the_rate_is_the_published_one_at_vocs_size():
    assert own_row('x', 2, MEAN, 1).schedule.base_lr == VARIANTS['voc-fcn32s'].schedule.base_lr
    assert own_row('x', 2, MEAN, 1, pixels=1000 * 750).schedule.base_lr == pytest.approx(2.5e-11)


def test_a_narrow_row_makes_narrow_nets_from_scratch():
    row = own_row('x', 2, MEAN, 1, width=0.25)
    layers = {layer.name: layer for layer in fcn(row, 'deploy').layer}
    assert layers['conv1_1'].convolution_param.num_output == 16
    assert layers['conv2_1'].convolution_param.weight_filler.type == 'msra'
    assert fcn(row, 'deploy', width=1.0) == fcn(own_row('x', 2, MEAN, 1), 'deploy')
    assert row.schedule.base_lr == pytest.approx(3e-8 * 480 * 360 / (500 * 375), rel=0.05)
    message = solver(own_row('x', 2, MEAN, 1, pixels=480 * 360, width=0.125))
    assert (message.base_lr, message.lr_policy, message.momentum, message.clip_gradients) == (
        pytest.approx(3e-8), 'poly', pytest.approx(0.9), 1e6)


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match='stride 4: expected 32, 16, 8'):
        own_row('x', 2, MEAN, 1, stride=4)


@pytest.mark.parametrize(('names', 'words'), [
    ([], 'no class names'), (['a', 'b', 'a'], 'twice, for labels 0 and 2'),
    ([str(i) for i in range(256)], '256 class names')])
def test_class_lists(names, words):
    with pytest.raises(ValueError, match=words):
        check_names(names, 'names.txt')


@pytest.mark.parametrize(('images', 'iterations'), [(5, 2000), (100, 4000), (367, 15000),
                                                    (8498, 100_000)])
def test_the_length_goes_with_the_number_of_images(images, iterations):
    assert iterations_for(images) == iterations


def folder(tmp_path: Path, **more) -> Path:
    """A folder with the note of `fcn new`, and no more."""
    about = dict(name='my-cars', classes=['road', 'car'], mean=[1, 2, 3], ignore_label=255,
                 images_in={'train': 4, 'val': 2}, pixels=187500.0, stride=32, width=1.0,
                 images='/pictures', labels='/masks', label_suffix='_L') | more
    (tmp_path / 'dataset.json').write_text(json.dumps(about))
    return tmp_path


def test_the_row_of_a_folder_knows_where_its_data_lies(tmp_path: Path):
    row = find_own(str(folder(tmp_path, palette=[[9, 8, 7], [1, 2, 3]], iterations=4000)))
    assert row and data_roots(row, 'elsewhere') == {
        'images': '/pictures', 'labels': '/masks', 'lists': str(tmp_path)}
    text = fcn(row, 'val').layer[0].python_param.param_str
    assert "'images': '/pictures'" in text and "'label_suffix': '_L'" in text
    assert row.heads[0].palette == ((9, 8, 7), (1, 2, 3))
    assert (row.schedule.block, row.schedule.repeats, row.schedule.max_iter) == (200, 20, 4000)
    assert find_own(str(tmp_path / 'nothing')) is None


def test_stages_on_own_data_start_from_one_another(tmp_path: Path):
    own = folder(tmp_path)
    rows = [find_own(staged_place(own, stride)) for stride in (32, 16, 8)]
    assert [row.name for row in rows] == [staged_name('my-cars', s) for s in (32, 16, 8)]
    assert [row.init[0].donor for row in rows] == ['VGG16', staged_place(own, 32),
                                                   staged_place(own, 16)]
    assert [row.schedule.base_lr for row in rows] == pytest.approx([1e-10, 1e-12, 1e-14])
    assert not any(row.skip_scales for row in rows)
    narrow = folder(tmp_path, width=0.25)
    assert len({find_own(staged_place(narrow, s)).schedule.base_lr for s in (32, 16, 8)}) == 1


@pytest.mark.parametrize(('name', 'nets'), [
    ('drop-rate', ['my-cars-fcn32s', 'my-cars-fcn16s', 'drop-rate']), ('at-once', ['at-once'])])
def test_experiments_on_a_stage_start_from_what_it_starts_from(tmp_path: Path, name: str,
                                                               nets: list[str]):
    """drop-rate from the trained stage, at-once from the classifier, at the coarsest's rate."""
    own = staged_place(folder(tmp_path), 16)
    stages = chain(Settings(name, str(tmp_path), weights='VGG16.caffemodel', net=own), Path('o'))
    assert [stage.name for stage in stages] == nets
    assert stages[0].donors == (Path('VGG16.caffemodel'),)
    assert stages[-1].row.schedule.base_lr == pytest.approx(1e-14 if name == 'drop-rate' else 1e-10)


def test_experiments_take_a_folder(tmp_path: Path):
    own = str(folder(tmp_path))
    assert find_experiment(own).row.name == 'my-cars' and is_known(own) and not is_known('no')
    online = find_experiment('online', own)
    assert (online.name, online.row.dataset, online.row.schedule.momentum) == ('online', 'own', 0.9)
