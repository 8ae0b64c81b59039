"""docs/adding-a-layer.md keeps its word: its two files, as they stand there, are a layer type."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'adding-a-layer.md'
BLOCK = re.compile(r'^```python\n# (\S+)\n(.*?)^```$', re.M | re.S)
FRAME = ('netspec', 'surgery', 'port', 'pyproject.toml', 'tests/conftest.py',
         'tests/port/conftest.py', 'tests/port/layers/conftest.py',
         'tests/port/engine/test_registry.py')


def snippets() -> dict[str, str]:
    """Return path -> text of the files that the page shows."""
    return dict(BLOCK.findall(PAGE.read_text(encoding='utf-8')))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project without its other tests, and with the page's files."""
    for name in FRAME:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)          # compiled files too: they save seconds
        else:
            shutil.copyfile(source, target)
    for name, text in snippets().items():
        assert not (ROOT / name).exists()
        (tmp_path / name).write_text(text)
    return tmp_path


def test_ten_lines() -> None:
    layer, test = snippets().items()
    assert layer[0].startswith('port/layers/') and test[0].startswith('tests/port/layers/test_')
    assert len(layer[1].splitlines()) <= 10 and len(test[1].splitlines()) <= 10


def test_the_page_works_as_it_stands(copy: Path) -> None:
    """The layer's own test passes, and so does the rule for every registered type."""
    done = subprocess.run(
        [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', FRAME[-1],
         list(snippets())[1], '-k', 'relu6 or ReLU6'], cwd=copy, capture_output=True, text=True,
        timeout=120, env=os.environ | {'PYTHONPATH': str(copy), 'OMP_NUM_THREADS': '1'})
    assert done.returncode == 0, done.stdout + done.stderr
    assert '3 passed' in done.stdout


def test_files_named_on_the_page_exist() -> None:
    made = set(snippets())
    for name in re.findall(r'`((?:port|tests|netspec)/\S+?\.(?:py|proto))`', PAGE.read_text()):
        assert name in made or (ROOT / name).is_file(), name
