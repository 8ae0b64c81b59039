"""Fixtures for every test: where the recorded numbers and the shared data lie."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope='session')
def golden() -> Path:
    """The folder of numbers recorded from a reference Caffe that travels with the project."""
    return ROOT / 'tests' / 'golden'


@pytest.fixture(scope='session')
def shared() -> Path:
    """The workplace's shared folder; FCN_SHARED names another place. Skips where there is none."""
    folder = Path(os.environ.get('FCN_SHARED', ROOT.parent / 'shared'))
    if not folder.is_dir():
        pytest.skip(f'{folder} does not exist: recorded cases and CamVid are kept outside the project')
    return folder
