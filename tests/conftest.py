"""For every test: where the recorded numbers and the shared data lie; GPU tests need a GPU.

Copied away from the source (`make wheel-test`), the tests run against the package as installed.
Those of files with a ROOT, the project's folder, need the source itself and are skipped there.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = not (ROOT / 'netspec').is_dir()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what is marked `gpu` where there is none, and what needs the source where it is away."""
    if INSTALLED and hasattr(getattr(item, 'module', None), 'ROOT'):
        pytest.skip('needs the source tree, and only the installed package is here')
    if item.get_closest_marker('gpu'):
        import torch
        if not torch.cuda.is_available():
            pytest.skip('no CUDA device is here')


@pytest.fixture(scope='session')
def tree() -> Path:
    """The project's own folder; skips where only the installed package is here."""
    if INSTALLED:
        pytest.skip('needs the source tree, and only the installed package is here')
    return ROOT


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
