"""For every test: where the recorded numbers and the shared data lie; GPU tests need a GPU."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `gpu` where there is none."""
    if item.get_closest_marker('gpu'):
        import torch
        if not torch.cuda.is_available():
            pytest.skip('no CUDA device is here')


@pytest.fixture(scope='session')
def golden() -> Path:
    """The folder of numbers recorded from a reference Caffe that travels with the project."""
    return ROOT / 'tests' / 'golden'


@pytest.fixture(scope='session')
def shared() -> Path:
    """The workplace's shared folder; FCN_SHARED names another place. Skips where there is none."""
    folder = Path(os.environ.get('FCN_SHARED', ROOT.parent / 'shared'))
    if not folder.is_dir():
        pytest.skip(f'{folder} does not exist: CamVid is kept outside the project')
    return folder
