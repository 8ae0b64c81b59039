"""Which modules a converted script's imports are converted too: the user's, not the installed."""

from pathlib import Path

import pytest

from port.pycaffe.py2.loader import Py2Finder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A script's folder with a module of its own and two folders of libraries below it."""
    for file in ('own.py', 'libs/frame/core.py', 'libs/single.py', 'checkout/tool/code.py',
                 'checkout/pyproject.toml', 'old/layers.py'):
        path = tmp_path / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('x = 1\n')
    listed = tmp_path / 'libs/frame-2.0.dist-info'
    listed.mkdir()
    (listed / 'METADATA').write_text('Name: frame\nVersion: 2.0\n')
    (listed / 'RECORD').write_text('frame/core.py,,\nsingle.py,,\n../bin/frame,,\n')
    return tmp_path


@pytest.mark.parametrize(('file', 'converted'), [
    ('own.py', True), ('old/layers.py', True), ('libs/frame/core.py', False),
    ('libs/single.py', False), ('libs/mine.py', True), ('checkout/tool/code.py', False)])
def test_what_pip_put_there_stays_as_it_is(folder: Path, file: str, converted: bool) -> None:
    """Whether the libraries' folder is named itself, as PYTHONPATH does, or lies below."""
    assert Py2Finder([folder]).covers(folder / file) is converted
    assert Py2Finder([folder, folder / 'libs', folder / 'checkout']).covers(
        folder / file) is converted
