"""Benchmarks: README's table is what the kept figures say; every script runs (slow)."""

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from netspec.families import make_net
from netspec.schema.messages import TEST
from netspec.variants import VARIANTS
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.predictor import score_layers

ROOT = Path(__file__).resolve().parent.parent
EAGER = 5e-5         # of the largest score: other sums in float32, through a hundred layers
SMALL = {
    'agreement': ('--width', '0.03', '--nets', 'voc-fcn8s'),
    'caffemodel_load': ('--repeat', '1'), 'cost': ('--width', '0.03', '--runs', '1'),
    'deeplab_forward': ('--width', '0.03', '--size', '65x65', '--runs', '1'),
    'dense_crf': ('--size', '40x50', '--runs', '1'),
    'forward': ('--width', '0.03', '--size', '40x50', '--runs', '1'),
    'forward_avx2': ('--width', '0.03', '--size', '40x50', '--runs', '1'),
    'gpu': ('--device', 'cpu', '--width', '0.03', '--size', '40x50', '--runs', '1',
            '--train-sizes', '40x50,30x20'),
    'loading': ('--width', '0.03', '--pairs', '8', '--steps', '2'), 'net_load': ('--repeat', '1'),
    'onnx_time': ('--width', '0.03', '--size', '40x50', '--runs', '1'),
    'pycaffe_face': ('--size', '30', '--rounds', '1'),
    'sharpened': ('--width', '0.03', '--iterations', '2', '--scenes', '8', '--size', '49x65'),
    'scale': ('--width', '0.03', '--steps', '2', '--turns', '1'),
    'startup': ('--runs', '1'),
    'whole_jobs': ('--images', '4', '--pictures', '2', '--width', '0.03', '--repeat', '1'),
    'segnet_step': ('--size', '360x480', '--batch', '1', '--runs', '1'),
    'train_step': ('--width', '0.03', '--size', '40x50', '--runs', '1')}


@pytest.fixture(scope='module')
def table():
    """The script that makes the table, as a module."""
    spec = importlib.util.spec_from_file_location('table', ROOT / 'benchmarks/figures/table.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_table_is_what_was_measured(table) -> None:
    kept = table.figures()
    assert set(kept) == set(table.names()), 'make bench keeps the figures of every script'
    text = table.README.read_text(encoding='utf-8')
    assert text.split(table.BEGIN)[1].split(table.END)[0] == table.table(kept)


def test_every_figure_names_its_machine(table) -> None:
    for name, figures in table.figures().items():
        assert {'cpu', 'cores', 'torch', 'python'} <= set(figures['machine']), name


def test_a_script_that_fails_keeps_the_figures_of_before(table, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(table, 'SCRIPTS', tmp_path)
    monkeypatch.setattr(table, 'HERE', tmp_path)
    for name, text in (('good', 'print(\'{"a": 1}\')'), ('late', 'print(\'{"a": 2}\'); exit(1)'),
                       ('bad', 'exit("broken")')):
        (tmp_path / f'{name}.py').write_text(text)
        (tmp_path / f'{name}.json').write_text('{"a": 0}')
    assert table.names() == ['bad', 'good', 'late']
    assert [table.run(name) for name in table.names()] == [
        'bad: printed no figures (exit 1)', '', 'late: missed a bar']
    assert table.figures() == {'bad': {'a': 0}, 'good': {'a': 1}, 'late': {'a': 2}}


@pytest.mark.slow
@pytest.mark.parametrize('name', sorted(path.stem for path in ROOT.glob('benchmarks/*.py')))
def test_every_script_prints_figures(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / f'benchmarks/{name}.py'), *SMALL[name]], text=True,
        capture_output=True, env=os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'})
    assert json.loads(done.stdout)['machine']['cpu'], done.stderr


@pytest.mark.slow
def test_the_table_of_every_net_prints_figures() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks/nets/every_net.py'), '--width', '0.03', '--size',
         '65x65', '--runs', '1', '--nets', 'voc-fcn8s', 'camvid-segnet-basic'], text=True,
        capture_output=True, env=os.environ | {
            'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "benchmarks"}', 'OMP_NUM_THREADS': '1'})
    nets = json.loads(done.stdout)['nets']
    assert not any(nets[name][key] for name in ('voc-fcn8s', 'camvid-segnet-basic')
                   for key in ('refused', 'step refused')), done.stderr
    assert '| camvid-segnet-basic | ' in done.stderr and '/ ONNX Runtime' in done.stderr


@pytest.mark.slow
def test_where_the_time_goes() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / 'benchmarks/nets/layer_times.py'), '--width', '0.03', '--size',
         '40x50', '--runs', '1'], text=True, capture_output=True, env=os.environ | {
            'PYTHONPATH': f'{ROOT}{os.pathsep}{ROOT / "benchmarks"}', 'OMP_NUM_THREADS': '1'})
    assert '| conv5_3 | ' in done.stdout and '| upscore8 | ' in done.stdout, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize('name', VARIANTS)
def test_the_eager_net_gives_the_plain_engines_scores(name: str, monkeypatch) -> None:
    """At a small width: else the table would compare with another net."""
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks'))
    monkeypatch.syspath_prepend(str(ROOT / 'benchmarks/nets'))
    from eager_net import EagerNet
    row = VARIANTS[name]
    row, size = (replace(row, frame=(64, 96)), (64, 96)) if row.frame else (row, (65, 97))
    net = Net(make_net(row, 'deploy', width=0.03), TEST)
    random_weights(net, 1)
    arrays = {blob: 50 * torch.randn(1, net.blobs[blob].shape[1], *size,
                                     generator=torch.Generator().manual_seed(1))
              for blob in net.inputs}
    score = score_layers(net)[0]
    plain = net.forward(**arrays)[score].clone()
    found = EagerNet(net, score)(*arrays.values())
    assert (found - plain).abs().max() <= EAGER * plain.abs().max()
