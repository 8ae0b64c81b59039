"""The house rules: who may import whom, and how large things may grow."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {'netspec': {'netspec'}, 'surgery': {'netspec', 'surgery'},
           'port': {'netspec', 'surgery', 'port'}}
HEAVY = {'netspec': {'torch', 'onnx', 'PIL'}, 'surgery': {'torch', 'onnx', 'PIL'}}
SCRIPTS = sorted((ROOT / 'benchmarks').rglob('*.py'))
FILES = sorted(p for package in ALLOWED for p in (ROOT / package).rglob('*.py'))


def imported(tree: ast.AST, package: str) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split('.')[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(package if node.level else node.module.split('.')[0])
    return names


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_left(path: Path) -> None:
    package = path.relative_to(ROOT).parts[0]
    names = imported(ast.parse(path.read_text()), package)
    assert names & set(ALLOWED) <= ALLOWED[package]
    assert not names & HEAVY.get(package, set())


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_files_stay_small_and_have_a_docstring(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert ast.get_docstring(ast.parse(text))


def ruff(*what: str | Path, source: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-m', 'ruff', 'check', '--config',
                           str(ROOT / 'pyproject.toml'), *map(str, what)],
                          input=source, capture_output=True, text=True)


def test_lint() -> None:
    """The style, and that nothing is evaluated or unpickled: flake8-bandit's rules."""
    done = ruff(*FILES, *SCRIPTS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('call', [
    'eval("1")', '__import__("os")\nexec("1")', 'import pickle as p\n\np.Unpickler("f")',
    'from pickle import loads\n\nloads(b"")', 'import marshal\n\nmarshal.loads(b"")'])
def test_lint_finds_what_evaluates_or_unpickles(call: str) -> None:
    done = ruff('--stdin-filename', ROOT / 'port/any.py', '-', source=f'{call}\n')
    assert done.returncode == 1 and re.search(r'\bS(102|301|302|307)\b', done.stdout)


@pytest.mark.parametrize('path', [*FILES, *SCRIPTS], ids=lambda p: str(p.relative_to(ROOT)))
def test_no_reader_is_told_to_unpickle(path: Path) -> None:
    """torch.load and numpy.load do not, unless they are told to."""
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    told = {ast.unparse(keyword) for call in calls for keyword in call.keywords}
    assert not told & {'weights_only=False', 'allow_pickle=True'}
