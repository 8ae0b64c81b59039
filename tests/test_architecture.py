"""The house rules: who may import whom, and how large things may grow."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {'netspec': {'netspec'}, 'surgery': {'netspec', 'surgery'},
           'port': {'netspec', 'surgery', 'port'}}
HEAVY = {'netspec': {'torch', 'onnx', 'PIL'}, 'surgery': {'torch', 'onnx', 'PIL'}}
SCRIPTS = [ROOT / 'setup.py', *sorted((ROOT / 'benchmarks').rglob('*.py'))]
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


UNSAFE = {'eval', 'exec', 'builtins.eval', 'builtins.exec'} | {
    f'{module}.{name}' for module in ('pickle', '_pickle', 'cPickle', 'marshal', 'dill', 'shelve')
    for name in ('load', 'loads', 'Unpickler', 'open')}
SAFE_WITH = {'torch.load': 'weights_only=True', 'numpy.load': 'allow_pickle=False'}


def unsafe(source: str) -> list[str]:
    """Return the calls that evaluate or unpickle, under whatever name they were imported."""
    tree, names = ast.parse(source), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.asname: alias.name for alias in node.names if alias.asname}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f'{node.module}.{alias.name}'
                      for alias in node.names}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            first, dot, rest = ast.unparse(node.func).partition('.')
            name = names.get(first, first) + dot + rest
            given = [ast.unparse(keyword) for keyword in node.keywords]
            if name in UNSAFE or SAFE_WITH.get(name, '') not in ('', *given):
                found.append(ast.unparse(node))
    return found


@pytest.mark.parametrize('path', [*FILES, *SCRIPTS], ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_evaluated_or_unpickled(path: Path) -> None:
    assert unsafe(path.read_text()) == []


@pytest.mark.parametrize('source', [
    'eval(x)', 'import builtins\nbuiltins.exec(x)', 'import pickle\npickle.load(f)',
    'from pickle import loads\nloads(b)', 'import pickle as p\np.Unpickler(f)',
    'import torch as t\nt.load(f)', 'import torch\ntorch.load(f, weights_only=False)',
    'import numpy as np\nnp.load(f)', 'from numpy import load as read\nread(f)'])
def test_what_evaluates_or_unpickles_is_found(source: str) -> None:
    assert len(unsafe(source)) == 1


@pytest.mark.parametrize('source', [
    'module.eval()', 'import torch\ntorch.load(f, weights_only=True)',
    'import numpy as np\nnp.load(f, allow_pickle=False)', 'layer.load(f)'])
def test_what_does_not_is_left_alone(source: str) -> None:
    assert unsafe(source) == []
