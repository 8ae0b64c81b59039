"""fcn caffe: the caffe tool's flags in, its log lines out, as the parsers of people read them."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from port.cli import main

NET = '''name: "tiny"
layer { name: "data" type: "DummyData" top: "x" top: "t" dummy_data_param {
  shape { dim: 4 dim: 3 } shape { dim: 4 } data_filler { type: "constant" value: 1 }
  data_filler { type: "constant" value: 1 } } }
layer { name: "fc" type: "InnerProduct" bottom: "x" top: "y"
        inner_product_param { num_output: 2 } }
layer { name: "acc" type: "Accuracy" bottom: "y" bottom: "t" top: "acc" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "loss" }
layer { name: "more" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "more"
        include { stage: "extra" } }
layer { name: "deep" type: "SoftmaxWithLoss" bottom: "y" bottom: "t" top: "deep"
        include { min_level: 3 } }
'''
SOLVER = '''net: "net.prototxt" base_lr: 0.5 lr_policy: "fixed" display: 5 max_iter: 20
test_iter: 2 test_interval: 10 snapshot: 10 snapshot_prefix: "snap/tiny"
'''
LINE = re.compile(r'[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ \w+\.cpp:\d+\] ')


@pytest.fixture
def caffe(tmp_path: Path, monkeypatch):
    """Run `fcn caffe …` in a folder with a net and a solver; give exit status and log."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'net.prototxt').write_text(NET)
    (tmp_path / 'solver.prototxt').write_text(SOLVER)

    def run(words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ['caffe', *words.split()])
        return done.exit_code, done.stderr
    return run


def test_train_logs_as_caffe_does(caffe, tmp_path) -> None:
    status, log = caffe('train --solver=solver.prototxt -log_dir logs')
    assert status == 0 and log == (tmp_path / 'logs/caffe.INFO').read_text()
    assert LINE.match(log)
    rows = re.findall(r'Iteration (\d+) \(\S+ iter/s, \S+s/5 iters\), loss = (\S+)', log)
    assert [int(i) for i, _ in rows] == [0, 5, 10, 15]
    assert float(rows[0][1]) == pytest.approx(0.693147, abs=1e-6)
    assert re.findall(r'Iteration (\d+), lr = 0.5\n', log) == ['0', '5', '10', '15']
    assert re.findall(r'Iteration (\d+), Testing net \(#0\)', log) == ['0', '10', '20']
    assert re.search(r'\]     Test net output #0: acc = [01]\n', log)
    assert re.search(r'\]     Test net output #1: loss = 0.693147 \(\* 1 = 0.693147 loss\)\n', log)
    assert re.search(r'\]     Train net output #0: loss = 0.693147 \(\* 1 = 0.693147 loss\)', log)
    assert re.search(r'Iteration 20, loss = \S+\n', log)
    order = [log.index(text) for text in ('Use CPU.', 'Initializing solver from parameters',
                                          'Starting Optimization', 'Solving tiny',
                                          'Optimization Done.')]
    assert order == sorted(order)
    assert (tmp_path / 'snap/tiny_iter_20.caffemodel').is_file()


def test_train_goes_on_from_a_snapshot_or_weights(caffe) -> None:
    caffe('train -solver solver.prototxt')
    status, log = caffe('train -solver solver.prototxt -snapshot snap/tiny_iter_10.solverstate')
    assert status == 0 and 'Resuming from snap/tiny_iter_10.solverstate' in log
    assert 'Iteration 15 (' in log and 'Iteration 5 (' not in log
    status, log = caffe('train -solver solver.prototxt -weights snap/tiny_iter_20.caffemodel')
    first = re.search(r'Iteration 0 .*loss = (\S+)', log)
    assert status == 0 and float(first[1]) < 0.1


def test_level_and_stage_choose_layers(caffe) -> None:
    _, log = caffe('train -solver solver.prototxt -level 3 -stage extra')
    assert {'more', 'deep'} <= set(re.findall(r'Train net output #\d: (\w+)', log))
    _, log = caffe('time -model net.prototxt -iterations 1 -stage extra -phase TEST')
    assert ' acc\tforward' in log and ' more\tforward' in log and ' deep\tforward' not in log


def test_test_logs_batches_and_means(caffe) -> None:
    caffe('train -solver solver.prototxt')
    status, log = caffe('test -model net.prototxt -weights snap/tiny_iter_20.caffemodel '
                        '-iterations 3')
    assert status == 0 and 'Running for 3 iterations.' in log
    assert len(re.findall(r'Batch \d, loss = ', log)) == 3
    loss = re.search(r'\] Loss: (\S+)', log)[1]
    assert f'] loss = {loss} (* 1 = {loss} loss)' in log and '] acc = 1\n' in log


def test_time_reports_every_layer(caffe) -> None:
    status, log = caffe('time --model net.prototxt --iterations=2')
    assert status == 0
    assert re.findall(r'Iteration: (\d) forward-backward time: \S+ ms\.', log) == ['1', '2']
    for layer in ('data', 'fc', 'loss'):
        for way in ('forward', 'backward'):
            assert re.search(rf'\] +{layer}\t{way}: [\d.e-]+ ms\.', log)
    for what in ('Average Forward pass', 'Average Backward pass', 'Average Forward-Backward',
                 'Total Time'):
        assert re.search(rf'{what}: \S+ ms\.', log)


def test_device_query(caffe, monkeypatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    assert caffe('device_query')[0] == 0
    status, log = caffe('device_query -gpu 0')
    assert status == 1 and 'Cannot use GPU 0: no CUDA device is here' in log


def test_all_gpus_where_there_is_none(caffe, monkeypatch) -> None:
    """As Caffe refuses it, rather than train on the CPU."""
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    for args in ('train -solver solver.prototxt', 'time -model net.prototxt'):
        status, log = caffe(f'{args} -gpu all')
        assert status == 1 and '-gpu all: no CUDA device is here; leave -gpu out' in log, log


def test_a_solver_that_wants_a_gpu(caffe, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr('torch.cuda.is_available', lambda: False)
    (tmp_path / 'solver.prototxt').write_text(SOLVER + 'solver_mode: GPU')
    status, log = caffe('train -solver solver.prototxt')
    assert status == 1 and 'Cannot use GPU 0' in log


@pytest.mark.parametrize(('words', 'status', 'message'), [
    ('train', 1, 'Need a solver definition to train.'),
    ('test -model net.prototxt', 1, 'Need model weights to score.'),
    ('time', 1, 'Need a model definition'),
    ('train -solver s -snapshot a -weights b', 1, 'Give a snapshot to resume training or weights'),
    ('train -solver solver.prototxt -sighup_effect jump', 1, 'Invalid signal effect "jump"'),
    ('time -model net.prototxt -phase VAL', 1, 'phase must be "TRAIN" or "TEST"'),
    ('trian -solver s', 2, 'Unknown action: trian'), ('', 2, 'usage: fcn caffe'),
    ('train -solvr s', 2, "did you mean '-solver'"),
    ('test -iterations x', 2, 'illegal value')])
def test_wrong_usage(caffe, words, status, message) -> None:
    code, log = caffe(words)
    assert code == status and message in log


SIGNALS = '''
import signal
import port.pycaffe as caffe

class Signals(caffe.Layer):
    """Hang up in the fourth pass, interrupt in the seventh (both nets count)."""
    passes = 0
    def setup(self, bottom, top):
        Signals.passes = 0
    def reshape(self, bottom, top):
        top[0].reshape(1)
    def forward(self, bottom, top):
        Signals.passes += 1
        if Signals.passes == 4:
            signal.raise_signal(signal.SIGHUP)
        if Signals.passes == 7:
            signal.raise_signal(signal.SIGINT)
    def backward(self, top, propagate_down, bottom):
        pass
'''


@pytest.mark.parametrize(('flags', 'snapshots', 'last'), [
    ('', {4, 7}, 7), ('-sighup_effect none -sigint_effect snapshot', {7, 10}, 10),
    ('-sighup_effect=stop', {4}, 4)])
def test_signals_have_the_effect_asked_for(caffe, tmp_path, monkeypatch, flags, snapshots,
                                           last) -> None:
    (tmp_path / 'signal_layers.py').write_text(SIGNALS)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'net.prototxt').write_text(NET + '''
        layer { name: "s" type: "Python" top: "s" python_param { module: "signal_layers"
                layer: "Signals" } } layer { name: "q" type: "Silence" bottom: "s" }''')
    (tmp_path / 'solver.prototxt').write_text(
        'net: "net.prototxt" base_lr: 0.1 lr_policy: "fixed" max_iter: 10 snapshot_prefix: "t"')
    status, log = caffe(f'train -solver solver.prototxt {flags}')
    assert status == 0
    assert {int(p.stem.split('_')[-1]) for p in tmp_path.glob('*.solverstate')} == snapshots
    assert ('Optimization stopped early.' in log) == (last < 10)
