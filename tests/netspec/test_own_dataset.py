"""netspec.own_dataset: rows of a user's own dataset."""

import pytest

from netspec.families.fcn import fcn
from netspec.own_dataset import check_names, data_params, own_row
from netspec.variants import VARIANTS

MEAN = (1.0, 2.0, 3.0)


def test_the_row_carries_the_users_numbers():
    row = own_row('my-cars', 4, MEAN, 17, ignore_label=9, stride=8)
    assert (row.classes, row.mean, row.ignore_label, row.schedule.test_iter) == (4, MEAN, 9, 17)
    layer = fcn(row, 'train', data_params=data_params(row)).layer
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
    assert row.schedule.base_lr > own_row('x', 2, MEAN, 1).schedule.base_lr


def test_other_strides_are_refused():
    with pytest.raises(ValueError, match='stride 4: expected 32, 16, 8'):
        own_row('x', 2, MEAN, 1, stride=4)
    with pytest.raises(KeyError):
        data_params(VARIANTS['voc-fcn32s'])


@pytest.mark.parametrize(('names', 'words'), [
    ([], 'no class names'), (['a', 'b', 'a'], 'twice, for labels 0 and 2'),
    ([str(i) for i in range(256)], '256 class names')])
def test_class_lists(names, words):
    with pytest.raises(ValueError, match=words):
        check_names(names, 'names.txt')
