"""Fixtures for the commands: a dataset of a few small scenes, and `fcn` in and out of process."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from netspec.generate import write_variant
from netspec.schema.messages import TEST
from port.cli import main
from port.data.readers import read_rgb
from port.data.scenes import draw_dataset
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.labelled import Predictor

from .on_ranks import write

ROOT = Path(__file__).resolve().parents[3]
WIDTH = 0.03125              # two channels in conv1
TRAIN, VAL, SIZE = 6, 3, (48, 64)


@dataclass(frozen=True)
class Data:
    """Where the drawn scenes lie."""

    root: Path

    @property
    def voc(self) -> Path:
        return self.root / 'pascal' / 'VOC2011'

    @property
    def roots(self) -> dict[str, str]:
        return {'sbdd_dir': str(self.root / 'sbdd' / 'dataset'), 'voc_dir': str(self.voc)}

    def image(self, name: str) -> Path:
        return self.voc / 'JPEGImages' / f'{name}.jpg'

    def label(self, name: str) -> Path:
        return self.voc / 'SegmentationClass' / f'{name}.png'


@pytest.fixture(scope='session')
def scenes(tmp_path_factory) -> Data:
    """Six scenes to train on and three to score, 48 x 64; not to be written to."""
    return Data(draw_dataset(tmp_path_factory.mktemp('scenes') / 'data', TRAIN, VAL, SIZE))


@pytest.fixture
def own_scenes(tmp_path: Path) -> Data:
    """The same, for a test that damages them."""
    return Data(draw_dataset(tmp_path / 'data', TRAIN, VAL, SIZE))


@pytest.fixture(scope='session')
def make_run() -> Callable[..., Path]:
    """make_run(folder, data, net='voc-fcn32s', **solver options) -> the folder, with net files."""
    def make(folder: Path, data: Data, net: str = 'voc-fcn32s', **options) -> Path:
        settings = dict(base_lr=1e-9, max_iter=6, snapshot=None, display=1, random_seed=3,
                        snapshot_prefix='snapshot/train', test_iter=VAL) | options
        write_variant(net, folder, solver_options=settings, width=WIDTH, data_root=data.roots)
        return folder
    return make


@pytest.fixture(scope='session')
def trained(tmp_path_factory, scenes: Data, make_run) -> Path:
    """A narrow voc-fcn32s after two iterations: its folder; weights `trained.caffemodel`."""
    from port.engine.starting_weights import prepare
    from port.training.solver import Solver
    folder = make_run(tmp_path_factory.mktemp('trained') / 'r32', scenes, max_iter=2)
    solver = Solver(folder / 'solver.prototxt')
    prepare(solver.net)
    solver.step(2)
    solver.net.save(folder / 'trained.caffemodel')
    return folder


@pytest.fixture(scope='session')
def lively(trained: Path, scenes: Data) -> Path:
    """Weights for the net of `trained` under which pixels of one picture get several labels."""
    net = Net(trained / 'deploy.prototxt', TEST)
    random_weights(net, 1)
    labels = Predictor(net, (0, 0, 0))(read_rgb(scenes.image('val_000000')))
    assert len(np.unique(labels)) > 1
    net.save(trained / 'lively.caffemodel')
    return trained / 'lively.caffemodel'


@pytest.fixture
def fcn() -> Callable[..., Result]:
    """fcn('list', '--json') -> click's Result, with exit_code, stdout and stderr."""
    def invoke(*args: object) -> Result:
        return CliRunner().invoke(main, [str(a) for a in args], prog_name='fcn')
    return invoke


def environment(**more: str) -> dict[str, str]:
    """The environment of a real process: our packages, one thread."""
    return os.environ | {'PYTHONPATH': str(ROOT), 'OMP_NUM_THREADS': '1'} | more


@pytest.fixture
def spawn() -> Callable[..., subprocess.CompletedProcess]:
    """spawn('train', …, env={…}) -> a finished real process of `fcn`, its output as text."""
    def run(*args: object, env: Mapping[str, str] | None = None,
            **options) -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, '-m', 'port.cli', *map(str, args)], text=True,
                              capture_output=True, timeout=120, env=environment(**(env or {})),
                              **options)
    return run


@pytest.fixture
def start():
    """start('train', …) -> a running real process, which waits where its output is not read."""
    running: list[subprocess.Popen] = []

    def run(*args: object) -> subprocess.Popen:
        running.append(subprocess.Popen([sys.executable, '-m', 'port.cli', *map(str, args)],
                                        text=True, pipesize=4096,
                                        stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, env=environment()))
        return running[-1]
    yield run
    for process in running:
        process.kill()
        process.communicate()


def files_below(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content: what a failure may not change."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob('*'))
            if p.is_file()}


@pytest.fixture
def refused(fcn, tmp_path: Path) -> Callable[..., str]:
    """refused('train', …, status=1) -> the one line on stderr, after a failure that wrote nothing.
    """
    def check(*args: object, status: int = 1, limit: int = 600) -> str:
        before = files_below(tmp_path)
        result = fcn(*args)
        assert result.exit_code == status, result.output
        assert files_below(tmp_path) == before
        lines = result.stderr.strip().splitlines()
        if status == 1:
            assert len(lines) == 1, result.stderr
            assert lines[0].startswith('fcn: ') and len(lines[0]) <= limit, lines[0]
        assert 'Traceback' not in result.output
        return lines[-1]
    return check


@pytest.fixture
def place(tmp_path: Path, scenes: Data) -> Callable[..., Path]:
    """place('name', steps=RUN, more='iter_size: 2', between=DROPOUT) -> a solver file."""
    return lambda name, *given, **options: write(tmp_path / name, scenes.roots['sbdd_dir'], *given,
                                                 **options)
