"""Which settings a run of fcn reproduce takes, refuses, and may change."""

import pytest

from netspec.schema import read_net
from port.reproduce.recipe import Settings

from .tiny_runs import run, same

pytestmark = pytest.mark.usefixtures('quick')


def test_a_run_of_one_net_goes_on_for_more_blocks(data, tmp_path):
    one, two = tmp_path / 'one', tmp_path / 'two'
    run(data, one, 'voc-fcn32s', blocks=1)
    longer = run(data, one, 'voc-fcn32s', blocks=2)
    assert longer['stages'][0]['measured'] == run(
        data, two, 'voc-fcn32s', blocks=2)['stages'][0]['measured']
    assert same(*(out / 'voc-fcn32s/snapshot/train_iter_8.caffemodel' for out in (one, two)))
    assert Settings.of_run(one).blocks == 2
    with pytest.raises(ValueError, match='8 iterations are trained'):
        run(data, one, 'voc-fcn32s', blocks=1)
    state = one / 'voc-fcn32s/snapshot/train_iter_8.solverstate'
    state.rename(tmp_path / 'elsewhere')
    with pytest.raises(ValueError, match='scored after iteration 8, but its solver state is miss'):
        run(data, one, 'voc-fcn32s', blocks=3)


def test_a_run_whose_rate_depends_on_its_length_keeps_it(data, tmp_path):
    more = {'options': {'base_lr': 1e-8, 'lr_policy': 'poly', 'power': 0.9}}
    run(data, tmp_path, 'voc-fcn32s', blocks=1, **more)
    with pytest.raises(ValueError, match='blocks 1, now 2 .its rate depends on the length'):
        run(data, tmp_path, 'voc-fcn32s', blocks=2, **more)


def test_a_run_that_has_nothing_yet_may_change_its_settings(data, tmp_path):
    with pytest.raises(FileNotFoundError, match='nowhere'):
        run(data / 'nowhere', tmp_path, 'voc-fcn32s', blocks=1)
    assert run(data, tmp_path, 'voc-fcn32s', blocks=1)['stages'][0]['split'] == 'seg11valid'


@pytest.mark.parametrize(('key', 'words'), [
    ('snapshot_format', 'is set by the run'), ('max_iter', 'use --block, --blocks')])
def test_fields_that_a_run_sets_itself_are_refused(data, tmp_path, key, words):
    with pytest.raises(ValueError, match=f'--set voc-fcn32s.{key}: .*{words}'):
        run(data, tmp_path, 'voc-fcn32s', options={f'voc-fcn32s.{key}': 0})


@pytest.mark.parametrize('net', ['voc-fcn32s', 'drop-rate'])
def test_a_value_that_its_field_does_not_take_is_refused_before_anything_is_written(
        data, tmp_path, net):
    with pytest.raises(TypeError, match="SolverParameter.base_lr is given 'quick'"):
        run(data, tmp_path / 'out', net, options={'base_lr': 'quick'})
    assert not (tmp_path / 'out').exists()


def test_training_data_are_varied_as_asked_and_both_lists_resized(data, tmp_path):
    run(data, tmp_path, 'voc-fcn32s', blocks=1, block=2, scale=0.5,
        train_data={'mirror': True, 'jitter': 3, 'voc-fcn32s.shuffle': True})
    train, val = (read_net(tmp_path / f'voc-fcn32s/{name}.prototxt').layer[0].python_param.param_str
                  for name in ('train', 'val'))
    for words in ("'mirror': True", "'jitter': 3", "'shuffle': True", "'scales': (0.5, 0.5)"):
        assert words in train
    assert "'scales': (0.5, 0.5)" in val and 'mirror' not in val
    with pytest.raises(ValueError, match='was begun with'):
        run(data, tmp_path, 'voc-fcn32s', blocks=1, block=2)


@pytest.mark.parametrize(('given', 'words'), [
    ({'miror': True}, "no option 'miror'; did you mean 'mirror'"),
    ({'voc-fcn8s.mirror': True}, "--train-data voc-fcn8s.mirror: no net 'voc-fcn8s' is trained")])
def test_options_of_no_data_layer_are_refused(data, tmp_path, given, words):
    with pytest.raises(ValueError, match=words):
        run(data, tmp_path / 'o', 'voc-fcn32s', train_data=given)
    assert not (tmp_path / 'o').exists()
