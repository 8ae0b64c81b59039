"""fcn reproduce: the list, and what its experiments on labels alone take."""

import hashlib
import json
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest

from netspec.experiments import EXPERIMENTS
from netspec.known_weights import KNOWN, KnownFile, released
from netspec.named_net import find_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.data.datasets import DATASETS, Archive
from port.engine.net import Net
from port.engine.random_weights import random_weights


def test_the_list_gives_four_metrics_within_100_columns(fcn):
    text = fcn('reproduce', '--list').stdout
    lines = {line.split()[0]: line for line in text.splitlines()[2:] if line[0] not in ' *'}
    assert [*lines] == [*VARIANTS, *EXPERIMENTS, 'bound', 'absent', 'speed-table1',
                         'speed-windows']
    assert max(map(len, text.splitlines())) <= 100
    assert lines['voc-fcn8s'].split()[1:] == '91.2 77.6 65.5 84.5 PAMI Table 3'.split()
    assert lines['accum'].split()[1:5] == ['86.0', '66.5', '51.9', '76.5']
    assert lines['camvid-fcn-basic'].split(maxsplit=5)[1:] == [
        '83.9', '55.6', '45.0', '-', 'SegNet paper Table 1, on test']
    assert lines['camvid-fcn16s'].split()[1:5] == ['93.8', '77.9', '69.7', '-']
    assert lines['camvid-fcn16s'].endswith('(another recipe)')
    assert lines['mask-shape'].split()[1:5] == ['-', '-', '29.1*', '-']
    assert '50.9 73.3 86.1 92.8 96.4 98.5 at factors 128 64 32 16 8 4' in lines['bound']
    assert lines['absent'].split()[1] == '3'


@pytest.mark.parametrize(('name', 'rows', 'words'), [
    ('speed-table1', 3, 'voc-fcn32s forward'), ('speed-windows', 4, '10x10 windows one by one')])
def test_speed_is_measured_beside_the_published(fcn, tmp_path, name, rows, words):
    result = fcn('reproduce', name, '--width', 0.02, '--out', tmp_path)
    assert result.exit_code == 0 and words in result.stdout
    found = json.loads((tmp_path / f'{name}.json').read_text())['rows']
    assert len(found) == rows and all(row['measured'] > 0 and row['published'] for row in found)
    refused = fcn('reproduce', name, '--data', tmp_path)
    assert refused.exit_code == 2 and 'takes no --data' in refused.stderr


def test_bound_takes_list_and_images(fcn, scenes, tmp_path):
    found = {}
    for name, more in (('whole', ()), ('one', ('--limit', 1)), ('train', ('--split', 'train'))):
        out = tmp_path / name
        result = fcn('reproduce', 'bound', '--data', scenes.root, '--out', out, *more)
        assert result.exit_code == 0, result.output
        found[name] = json.loads((out / 'bound.json').read_text())
    assert found['whole']['published']['128'] == 50.9
    assert found['whole']['nearest'] != found['one']['nearest']
    assert found['whole']['nearest'] != found['train']['nearest']


@pytest.mark.parametrize('name', ['bound', 'absent'])
@pytest.mark.parametrize('more', [['--released'], ['--weights', 'w'], ['--blocks', '2'],
                                  ['--width', '1'], ['--gpu', '0']])
def test_labels_take_no_option_of_a_training(refused, scenes, tmp_path, name, more):
    line = refused('reproduce', name, '--data', scenes.root, '--out', tmp_path / 'o', *more,
                   status=2)
    assert f'{name} reads labels only and takes no {more[0]}; it takes --data' in line


def test_a_list_that_is_not_there_leaves_nothing(refused, scenes, tmp_path):
    assert 'nowhere.txt' in refused('reproduce', 'bound', '--data', scenes.root, '--out',
                                    tmp_path / 'o', '--split', 'nowhere')


def test_masks_without_a_background_are_refused(refused, scenes, tmp_path):
    line = refused('reproduce', 'mask-shape', '--net', 'camvid-fcn32s', '--width', '0.1', '--data',
                   scenes.root, '--out', tmp_path / 'o')
    assert 'needs a net of one input and one head whose first class is the background' in line


def test_a_donor_may_be_an_experiment(refused, scenes, tmp_path):
    weights = tmp_path / 'w.caffemodel'
    weights.touch()
    args = ('reproduce', 'mask-reference', '--data', scenes.root, '--out', tmp_path / 'o',
            '--donor')
    assert 'that is what is trained here' in refused(*args, f'mask-reference={weights}')
    assert 'expected NET=WEIGHTS' in refused(*args, f'mask-referenz={weights}', status=2)


@pytest.mark.parametrize('more', [(), ('--released',)])
def test_weights_that_are_none_leave_nothing(refused, scenes, tmp_path, more):
    bad = tmp_path / 'weights.caffemodel'
    bad.write_text('no weights')
    assert 'expected a .caffemodel' in refused(
        'reproduce', 'voc-fcn32s', '--data', scenes.root, '--out', tmp_path / 'o', '--weights', bad,
        *more)


def test_a_folder_goes_on_with_the_run_that_lies_there(fcn, scenes, tmp_path, caplog):
    run, more = tmp_path / 'run', ('--set', 'base_lr=1e-10')
    result = fcn('reproduce', 'voc-fcn32s', '--data', scenes.root, '--width', 0.03125, '--block', 1,
                 '--blocks', 1, '--limit', 1, '--out', run, *more)
    assert result.exit_code == 0, result.output
    state = (run / 'run.json').read_bytes()
    figures = json.loads((run / 'report.json').read_text())['stages']
    for folder in (run, run / 'voc-fcn32s'):      # that of the run, and that of its net
        again = fcn('reproduce', folder)
        assert again.exit_code == 0 and again.stdout == result.stdout.split('\n', 1)[1]
    assert (run / 'run.json').read_bytes() == state
    assert json.loads((run / 'report.json').read_text())['stages'] == figures
    other = fcn('reproduce', run, '--blocks', 2, '--seed', 4)
    assert other.exit_code == 1
    assert 'was begun with blocks 1, now 2; seed 1337, now 4' in other.stderr
    needs = fcn('reproduce', run, '--dry-run')
    assert needs.exit_code == 0 and 'there    voc2011 seg11valid' in needs.stdout, needs.output
    longer = fcn('reproduce', run, '--blocks', 2)
    assert longer.exit_code == 0 and 'was begun with blocks 1, now 2' in caplog.text
    assert (run / 'voc-fcn32s/scores/iter_2.json').exists()
    line = fcn('reproduce', run, '--out', tmp_path / 'elsewhere').stderr
    assert 'is the folder of a run: leave --out out' in line
    line = fcn('reproduce', tmp_path).stderr
    assert 'no run of `fcn reproduce` lies in this folder' in line


@pytest.fixture
def no_time(monkeypatch):
    monkeypatch.setattr('port.reproduce.before_run.seconds_an_image', lambda *given: 2.0)


def test_a_dry_run_says_what_is_needed_and_writes_nothing(fcn, scenes, tmp_path, no_time):
    result = fcn('reproduce', 'voc-fcn8s', '--dry-run', '--data', scenes.root, '--out',
                 tmp_path / 'run')
    assert result.exit_code == 1
    assert 'voc-fcn8s: trains, one after another, voc-fcn32s, voc-fcn16s' in result.stdout
    assert '1 of what voc-fcn8s needs missing' in result.stderr       # VGG16
    assert 'there    sbdd train' in result.stdout and 'MISSING  VGG16: VGG_ILSVRC' in result.stdout
    assert 'disk: about 8.1 GB' in result.stdout and 'time: about 7 d 8 h here' in result.stdout
    result = fcn('reproduce', 'voc-fcn32s', '--dry-run', '--data', scenes.root, '--width', 0.1,
                 '--out', tmp_path / 'run')
    assert result.exit_code == 0 and 'MISSING' not in result.stdout
    assert not (tmp_path / 'run').exists()


def test_released_weights_that_are_nowhere_are_told_with_their_address(refused, scenes):
    line = refused('reproduce', 'voc-fcn8s', '--released', '--data', scenes.root)
    assert 'missing: released weights of voc-fcn8s (fcn8s-heavy-pascal.caffemodel). --d' in line


@pytest.fixture
def site(scenes, tmp_path, monkeypatch):
    """A server of this machine in the place of the real addresses, with the archives as they are
    published. site.offer(row) -> serves `row.file` of its folder, site.folder, in KNOWN's place.
    """
    made = tmp_path / 'site'
    made.mkdir()
    handler = partial(SimpleHTTPRequestHandler, directory=str(made))
    monkeypatch.setattr(SimpleHTTPRequestHandler, 'log_message', lambda *said: None)
    with ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        address = f'http://127.0.0.1:{server.server_port}'
        archives = []
        for name, folder, inside in (
                ('voc.tar', 'pascal/VOC2011', 'TrainVal/VOCdevkit/VOC2011'),
                ('sbd.tgz', 'sbdd/dataset', 'benchmark_RELEASE/dataset')):
            with tarfile.open(made / name, 'w') as archive:
                archive.add(scenes.root / folder, inside)
            archives.append(Archive(f'{address}/{name}', md5=hashlib.md5(
                (made / name).read_bytes()).hexdigest(), inside=inside, to=folder))
        for name, archive in zip(('voc2011', 'sbdd'), archives, strict=True):
            monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], archives=(archive,)))

        def offer(row: KnownFile) -> None:
            with (made / row.file).open('rb') as file:
                digest = hashlib.file_digest(file, 'sha1').hexdigest()
            monkeypatch.setattr('netspec.known_weights.KNOWN',
                                (replace(row, base=address, sha1=digest),))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield SimpleNamespace(folder=made, offer=offer)
        server.shutdown()


def test_everything_missing_is_downloaded(fcn, site, tmp_path, no_time):
    weights = site.folder / KNOWN[0].file
    weights.write_bytes(b'weights')
    site.offer(KNOWN[0])
    result = fcn('reproduce', 'voc-fcn32s', '--download', '--dry-run', '--data', tmp_path / 'data')
    assert result.exit_code == 0 and 'MISSING' not in result.stdout, result.output
    assert {path.name for path in (tmp_path / 'data').iterdir()} == {'pascal', 'sbdd', weights.name}


@pytest.mark.slow
def test_one_command_from_an_empty_machine_to_the_released_figure(fcn, site, tmp_path, monkeypatch):
    row = released('voc-fcn8s')
    net = Net(find_net('voc-fcn8s').deploy(None, None), TEST)
    random_weights(net, 1)
    net.save(site.folder / row.file)
    site.offer(row)
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path / 'empty')
    result = fcn('reproduce', 'voc-fcn8s', '--released', '--download', '--fast')
    assert result.exit_code == 0, result.output
    line = next(line for line in result.stdout.splitlines() if 'mean IU  ' in line).split()
    measured, published, difference = map(float, line[2:5])
    assert difference == pytest.approx(measured - published, abs=2e-4)
    assert line[3] == '65.5126' and len(line[2].partition('.')[2]) == 4
