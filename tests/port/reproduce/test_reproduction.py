"""fcn reproduce, end to end on drawn scenes: chain, interruption anywhere, report, experiments."""

import html
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from netspec.experiments import find_experiment
from netspec.schema import read_net
from port.cli import main
from port.data.scenes import draw_dataset
from port.reproduce.reproduction import Clock
from port.scoring.bounds import open_layer
from port.training.signals import Interrupted
from surgery import write_weights

from .tiny_runs import arrays, run, same, settings

pytestmark = pytest.mark.usefixtures('quick')


@pytest.fixture(scope='module')
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    """A chain of two nets, run without a break."""
    out = tmp_path_factory.mktemp('whole')
    return out, run(data, out)


def test_the_chain_is_trained_in_blocks_and_scored_after_each(whole):
    out, content = whole
    assert [row['name'] for row in content['stages']] == ['voc-fcn32s', 'voc-fcn16s']
    for row in content['stages']:
        assert [block['iteration'] for block in row['blocks']] == [4, 8]
        assert (out / row['name'] / 'scores/iter_4.json').exists()
        assert np.isfinite([block['mean IU'] for block in row['blocks']]).all()
    init = arrays(out / 'voc-fcn16s/init.caffemodel')
    trained = arrays(out / 'voc-fcn32s/snapshot/train_iter_8.caffemodel')
    assert np.array_equal(init['fc6'][0], trained['fc6'][0])
    assert init['upscore16'][0].any()


def test_published_figures_stand_beside_the_measured(whole):
    out, content = whole
    row = content['stages'][1]
    lines = {(x['metric'], x['source']): x for x in row['comparison'] if x['target']}
    line = lines['mean IU', 'PAMI Table 3']
    assert line['published'] == 65.0
    assert line['difference'] == pytest.approx(row['measured']['mean IU'] - 65.0)
    assert row['spread_of_others'] == (64.91, 65.3628)
    assert json.loads((out / 'report.json').read_text())['name'] == 'voc-fcn16s'


def test_the_pages_hold_tables_and_pictures(whole):
    out, _ = whole
    text, page = (out / 'report.md').read_text(), (out / 'report.html').read_text()
    for words in ('PAMI Table 3', '64.91 to 65.36', 'Not the published run', 'aeroplane'):
        assert words in text
    # of three images: each a photograph, its truth and its prediction
    assert page.count('data:image/jpeg;base64,') == 3 and page.count('data:image/png;base64,') == 6
    assert 'src="pictures' not in page and page.count('<svg ') == 2
    for picture in ('mean_iu', 'loss', 'confusion', 'sheet'):
        assert (out / f'pictures/{picture}.png').stat().st_size > 2000
        assert f'(pictures/{picture}.png)' in text


def test_only_the_last_and_best_snapshots_stay(whole):
    out, content = whole
    for row in content['stages']:
        names = {p.name for p in (out / row['name'] / 'snapshot').iterdir()}
        best = row['best']['iteration']
        assert names == {'train_iter_8.solverstate', 'train_iter_8.caffemodel',
                         'train_iter_8.seconds', f'train_iter_{best}.caffemodel'}


@pytest.mark.parametrize('at', [3, 4])          # within a block, at its end
def test_interrupted_anywhere_the_same_call_goes_on_bit_for_bit(data, tmp_path, whole, at,
                                                                monkeypatch):
    """A signal in training, then a kill without warning, then the rest."""
    ticks = []

    def tick(clock, stage, iteration, loss):
        ticks.append((stage.name, iteration))
        if len(ticks) == at:
            os.kill(os.getpid(), signal.SIGINT)
        if len(ticks) == at + 5:
            raise KeyboardInterrupt
    monkeypatch.setattr(Clock, 'tick', tick)
    with pytest.raises(Interrupted):
        run(data, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(data, tmp_path)
    content = run(data, tmp_path)
    out, expected = whole
    for row, other in zip(content['stages'], expected['stages'], strict=True):
        assert row['measured'] == other['measured'] and row['hist'] == other['hist']
        weights = Path(row['name']) / 'snapshot/train_iter_8.caffemodel'
        assert same(tmp_path / weights, out / weights)


@pytest.mark.parametrize('stop', [3, 4, 6])      # within the first block, at its end, in the second
def test_a_block_counts_the_time_before_an_interruption(data, tmp_path, monkeypatch, stop):
    """By a clock that goes on by 100 s an iteration."""
    now, ticks = [0.0], []

    def tick(clock, stage, iteration, loss):
        now[0] += 100
        ticks.append(iteration)
        if len(ticks) == stop:
            os.kill(os.getpid(), signal.SIGINT)
    monkeypatch.setattr('port.reproduce.stage_training.time',
                        SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(Clock, 'tick', tick)
    with pytest.raises(Interrupted):
        run(data, tmp_path, 'voc-fcn32s')
    now[0] += 5000                                # nothing of the time between
    content = run(data, tmp_path, 'voc-fcn32s')
    assert [block['trained'] for block in content['stages'][0]['blocks']] == [400, 400]


def test_a_stop_while_scoring_scores_again(data, tmp_path, whole, monkeypatch):
    from port.scoring import evaluate
    count = []

    def heard(*args):
        count.append(1)
        if len(count) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(*args)
    real = evaluate.fast_hist
    monkeypatch.setattr(evaluate, 'fast_hist', heard)
    with pytest.raises(Interrupted, match='while scoring iteration 4'):
        run(data, tmp_path)
    assert not (tmp_path / 'voc-fcn32s/scores').exists()
    content = run(data, tmp_path)
    assert content['stages'][0]['hist'] == whole[1]['stages'][0]['hist']


def test_a_finished_run_only_writes_its_report_again(data, whole, monkeypatch):
    out, content = whole
    monkeypatch.setattr('port.reproduce.stage_training.Solver', None)
    again = run(data, out)
    assert json.dumps(again['stages']) == json.dumps(content['stages'])


def test_a_folder_holds_one_run(data, whole):
    out, _ = whole
    with pytest.raises(ValueError, match='blocks 2, now 3 .only the training of a single net'):
        run(data, out, blocks=3)


def test_a_list_for_training_is_scored_in_its_order(data, tmp_path):
    """The data layer draws at random from lists that have `train` in their name."""
    content = run(data, tmp_path, 'voc-only', split='train', blocks=1, images=6)['stages'][0]
    labels = [open_layer(find_experiment('voc-only').row, data, False).load_top('label', name)
              for name in sorted(content['images'])]
    pixels = np.bincount(np.concatenate([label.ravel() for label in labels]), minlength=256)
    assert len(labels) == 6
    assert np.sum(content['hist']['score'], axis=1).tolist() == pixels[:21].tolist()


def test_a_run_begun_before_there_was_a_setting_goes_on(data, whole):
    path = whole[0] / 'run.json'
    text = path.read_text()
    path.write_text(json.dumps({k: v for k, v in json.loads(text).items() if k != 'fast'}))
    settings(data).claim(whole[0])
    path.write_text(text)


def test_weights_of_a_coarser_net_may_be_given(data, tmp_path, whole):
    donor = whole[0] / 'voc-fcn32s/snapshot/train_iter_8.caffemodel'
    content = run(data, tmp_path, donors={'voc-fcn32s': str(donor)})
    assert [row['name'] for row in content['stages']] == ['voc-fcn16s']
    assert content['stages'][0]['hist'] == whole[1]['stages'][1]['hist']
    assert any('was not trained' in line for line in content['caveats'])


def test_accumulation_takes_as_many_images(data, tmp_path):
    content = run(data, tmp_path, 'accum', block=20, blocks=1)
    (row,) = content['stages']
    assert row['iterations'] == 1 and 'iter_size' in row['note']


def test_masks_share_the_reference(data, tmp_path):
    content = run(data, tmp_path, 'mask-reference-bg', blocks=1)
    assert [row['name'] for row in content['stages']] == ['mask-reference', 'mask-reference-bg']
    last = content['stages'][-1]
    assert last['metric'] == 'mean IU without background' and last['measured'][last['metric']] >= 0
    assert {x['metric'] for x in last['comparison'] if x['target']} == {last['metric']}
    data_layer = read_net(tmp_path / 'mask-reference-bg/val.prototxt').layer[0]
    assert "'mask': 'foreground'" in data_layer.python_param.param_str


def test_an_experiment_with_another_net_has_no_target(data, tmp_path):
    content = run(data, tmp_path, 'online', net='voc-fcn8s-atonce', blocks=1)
    row = content['stages'][0]
    assert not any(line['target'] for line in row['comparison'])
    assert 'published for PASCAL VOC' in row['comparison'][0]['note']


def test_released_weights_are_scored_against_four_decimals(data, tmp_path, monkeypatch):
    from dataclasses import replace

    from netspec import experiments
    from netspec.families.fcn import fcn
    narrow = lambda row, split, **o: fcn(row, split, **(o | {'width': 0.02}))  # noqa: E731
    plain = experiments.find_experiment('voc-fcn32s')
    monkeypatch.setattr('port.reproduce.recipe.find_experiment',
                        lambda *a: replace(plain, make=narrow))
    first = run(data, tmp_path / 'a', 'voc-fcn32s', blocks=1)
    weights = tmp_path / 'a/voc-fcn32s/snapshot/train_iter_4.caffemodel'
    content = run(data, tmp_path / 'b', 'voc-fcn32s', width=1.0, released=True,
                  weights=str(weights), block=None, blocks=None, options={})
    (row,) = content['stages']
    assert row['hist'] == first['stages'][0]['hist']
    line = next(x for x in row['comparison'] if x['metric'] == 'mean IU')
    assert line['published'] == 63.6261
    assert line['source'] == 'wkentaro/fcn README, original weights'
    assert 'Released weights of voc-fcn32s' in (tmp_path / 'b/report.md').read_text()


def test_the_classifier_must_be_given_for_the_full_net(data, tmp_path):
    with pytest.raises(ValueError, match='starts from VGG16: give its weights by --weights'):
        run(data, tmp_path, width=1.0)
    assert not (tmp_path / 'run.json').exists()
    with pytest.raises(ValueError, match='no net .voc-fcn9s. is trained here'):
        run(data, tmp_path, options={'voc-fcn9s.base_lr': 1})
    with pytest.raises(ValueError, match='use --block'):
        run(data, tmp_path, options={'max_iter': 1})
    with pytest.raises(KeyError, match="did you mean 'base_lr'"):
        run(data, tmp_path, options={'base_lrr': 1})
    with pytest.raises(FileNotFoundError, match='must be the folder of the datasets'):
        run(tmp_path / 'nowhere', tmp_path)
    with pytest.raises(FileNotFoundError, match='held.txt: no such split file'):
        run(data, tmp_path, split='nonsense-held')
    assert list(tmp_path.iterdir()) == []


def test_the_command_ends_with_figures_and_paths(data, tmp_path, whole):
    out, _ = whole
    args = ['reproduce', 'voc-fcn16s', '--data', str(data), '--out', str(out), '--width', '0.02',
            '--block', '4', '--blocks', '2', '--limit', '3', '--set', 'base_lr=1e-8']
    result = CliRunner().invoke(main, args)
    assert result.exit_code == 0, result.output
    asked, before = result.output.split('before it, ')
    assert '65.0' in asked and 'PAMI Table 3' in asked and 'width' not in asked
    assert 'not the published run:\n  - the trunk' in asked
    assert before.startswith('voc-fcn32s: mean IU') and 'report.html' in before
    listed = CliRunner().invoke(main, ['reproduce', '--list']).output
    assert 'accum' in listed and '51.9' in listed
    assert 'give its weights by --weights' in CliRunner().invoke(main, [
        'reproduce', 'voc-fcn8s', '--out', str(tmp_path / 'none')]).output
    for wrong in (['voc-fcn8z'], ['voc-fcn8s', '--net', 'voc-fcn16s'], ['fixed', '--net', 'x'],
                  ['bound', '--net', 'x'], ['pool3', '--net', 'voc-fcn-alexnet']):
        result = CliRunner().invoke(main, ['reproduce', *wrong, '--data', str(data), '--out',
                                           str(tmp_path / 'none')])
        assert result.exit_code == 2 and result.output.count('\n') == 1, result.output
    assert not (tmp_path / 'none').exists()


def test_another_list_may_be_scored(data, tmp_path, whole):
    lists = data / 'pascal/VOC2011/ImageSets/Segmentation'
    (lists / 'held.txt').write_text((lists / 'seg11valid.txt').read_text().split()[0] + '\n')
    weights = whole[0] / 'voc-fcn32s/snapshot/train_iter_8.caffemodel'
    donor = {'voc-fcn32s': str(weights)}
    content = run(data, tmp_path, donors=donor, split='held', images=None, blocks=1)
    assert len(content['stages'][0]['images']) == 1
    assert any("'held' in place of 'seg11valid'" in line for line in content['caveats'])


def test_a_rate_for_all_nets_is_multiplied_where_gradients_are_averaged(data, tmp_path):
    run(data, tmp_path, 'accum', block=20, blocks=1, images=1)
    assert 'base_lr: 2e-07' in (tmp_path / 'accum/solver.prototxt').read_text()


def test_weights_of_another_net_are_refused_in_a_line(data, tmp_path, whole):
    out, _ = whole
    foreign = {f'other_{name}': blobs for name, blobs in
               arrays(out / 'voc-fcn32s/snapshot/train_iter_8.caffemodel').items()}
    write_weights(tmp_path / 'w.caffemodel', foreign)
    with pytest.raises(ValueError, match=r'w\.caffemodel: the weights of another net: none of its '
                                         'layers is in voc-fcn32s, which starts from VGG16'):
        run(data, tmp_path / 'o', 'voc-fcn32s', weights=str(tmp_path / 'w.caffemodel'))


def test_weights_of_another_width_are_refused_by_their_file(data, tmp_path, whole):
    out, _ = whole
    trained = arrays(out / 'voc-fcn32s/snapshot/train_iter_8.caffemodel')
    write_weights(tmp_path / 'w.caffemodel', {
        'conv1_1': [np.concatenate([blob, blob]) for blob in trained['conv1_1']]})
    with pytest.raises(ValueError, match=r'w\.caffemodel: do not fit voc-fcn32s, which starts from '
                                         r"VGG16 \(of the same --width\): layer 'conv1_1' blob 0"):
        run(data, tmp_path / 'o', 'voc-fcn32s', weights=str(tmp_path / 'w.caffemodel'))


def test_frames_that_are_trained_on_and_scored_get_a_line(data, tmp_path, caplog):
    run(data, tmp_path / 'apart', 'voc-fcn32s', block=1, blocks=1, images=1)
    assert 'flatter' not in caplog.text
    run(data, tmp_path / 'same', 'voc-only', block=1, blocks=1, images=1, split='train')
    line = "voc-only: 6 of the 6 images of 'train' are in 'train' too"
    assert line in caplog.text
    for page in ('report.html', 'report.md'):
        assert line in html.unescape((tmp_path / 'same' / page).read_text())
    weights = tmp_path / 'same/voc-only/snapshot/train_iter_1.caffemodel'
    caplog.clear()
    run(data, tmp_path / 'released', 'voc-only', images=1, split='train', released=True,
        weights=str(weights))
    assert line in caplog.text and line in (tmp_path / 'released/report.md').read_text()


def test_an_empty_list_is_a_line(tmp_path):
    root = draw_dataset(tmp_path / 'd', 2, 1, (32, 40))
    for path in root.rglob('seg11valid.txt'):
        path.write_text('\n')
    with pytest.raises(ValueError, match=r'seg11valid\.txt: the split file is empty'):
        run(root, tmp_path / 'o', 'voc-fcn32s')


@pytest.mark.parametrize('name', ['sigmoid', 'null-background', 'sampling-50', 'augmented',
                                  'balanced', 'scratch', 'drop-rate', 'at-once'])
def test_each_experiment_runs(data, tmp_path, name):
    content = run(data, tmp_path, name, block=2, blocks=1, images=1, fast=True)
    row = content['stages'][-1]
    assert row['name'] == name and np.isfinite(row['measured']['mean IU'])
    assert np.isfinite(row['blocks'][0]['loss'])
    names = [stage['name'] for stage in content['stages']]
    assert names == (['voc-fcn32s', name] if name == 'drop-rate' else [name])
