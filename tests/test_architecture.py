"""The house rules: who may import whom, and how large things may grow."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ALLOWED = {'netspec': {'netspec'}, 'surgery': {'netspec', 'surgery'},
           'port': {'netspec', 'surgery', 'port'}}
HEAVY = {'netspec': {'torch', 'onnx', 'PIL'}, 'surgery': {'torch', 'onnx', 'PIL'}}
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


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_evaluated_or_unpickled(path: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    assert not {ast.unparse(node.func) for node in calls} & {
        'eval', 'exec', 'pickle.load', 'pickle.loads', 'pickle.Unpickler'}
    safe = {'torch.load': 'weights_only=True', 'np.load': 'allow_pickle=False'}
    for node in calls:
        wanted = safe.get(ast.unparse(node.func))
        assert wanted in (None, *map(ast.unparse, node.keywords)), ast.unparse(node)
