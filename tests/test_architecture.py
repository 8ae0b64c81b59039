"""The house rules: which room may import which, what may stand where, how large files may grow.

Each rule is a function of source text that returns what breaks it, a line each, so that a rule
is also held against text that does break it.
"""

import ast
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ('netspec', 'surgery', 'port')
SCRIPTS = [ROOT / 'setup.py', *sorted((ROOT / 'benchmarks').rglob('*.py'))]

# Lower floors first. A room imports only from lower floors, never from a room on its own.
FLOORS = (
    ('netspec', 'port.onnx', 'port.native', 'port.distributed'),
    ('surgery', 'port.images', 'port.crf'),
    ('port.engine',),
    ('port.layers', 'port.data', 'port.training', 'port.describe'),
    ('port.fast', 'port.export', 'port.scoring', 'port.caffe_tool', 'port.pycaffe'),
    ('port.predict', 'port.dense'),
    ('port.reproduce', 'port.serve'),
    ('port.commands',),
    ('port.cli',),
    ('port.__main__',))
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}

# Modules that are named by a string, so that a lower room imports no higher one: (file, room).
BY_NAME = {
    ('port/engine/registry.py', 'port.layers'),      # finds whatever layers there are
    ('port/layers/python.py', 'port.data'),          # the modules that published prototxts name
    ('port/layers/python.py', 'port.pycaffe')}       # answers a user's layer that imports caffe

# What the lower packages must do without, and the only two rooms that end a process.
HEAVY = {'netspec': {'torch', 'onnx', 'PIL'}, 'surgery': {'torch', 'onnx', 'PIL'}}
MAY_EXIT = {'port.commands', 'port.cli'}

MANY_NAMES = ('port.layers', 'port.commands', 'port.pycaffe')    # their names are Caffe's, or verbs
LOOSE = {'__init__.py', '__main__.py', 'cli.py', 'py.typed'}


class Source(NamedTuple):
    """A file of the house: its path below the root, its text, its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def room(self) -> str:
        """netspec, surgery, or a folder or file of port: port.engine, port.cli."""
        parts = Path(self.path).with_suffix('').parts
        return parts[0] if parts[0] != 'port' else '.'.join(parts[:2])


def source(path: str, text: str) -> Source:
    return Source(path, text, ast.parse(text))


@cache
def house() -> tuple[Source, ...]:
    """Every source file of the three packages."""
    files = sorted(p for package in PACKAGES for p in (ROOT / package).rglob('*.py'))
    return tuple(source(p.relative_to(ROOT).as_posix(), p.read_text()) for p in files)


def room_of(module: str) -> str:
    parts = module.split('.')
    return parts[0] if parts[0] != 'port' else '.'.join(parts[:2])


# -- floors ----------------------------------------------------------------------------------------

def imports(one: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every import, in functions too; relative ones spelled out."""
    package = Path(one.path).with_suffix('').parts[:-1]
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            stem = '.'.join(package[:len(package) + 1 - node.level]) if node.level else ''
            base = '.'.join(filter(None, (stem, node.module or '')))
            if base in PACKAGES:                      # from port import commands
                yield from ((node.lineno, f'{base}.{alias.name}') for alias in node.names)
            else:
                yield node.lineno, base


def named(one: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, module) of every string that is the name of a module of ours.

    A logger may be called as a room is: its name imports nothing.
    """
    loggers = {id(arg) for node in ast.walk(one.tree) if isinstance(node, ast.Call)
               and ast.unparse(node.func) == 'logging.getLogger' for arg in node.args}
    for node in ast.walk(one.tree):
        if (isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node)
                not in loggers and re.fullmatch(r'(netspec|surgery|port)(\.\w+)+', node.value)):
            place = ROOT / node.value.replace('.', '/')
            if place.is_dir() or place.with_suffix('.py').is_file():
                yield node.lineno, node.value


def upward(one: Source) -> list[str]:
    """Return the imports of a file that do not lead to a lower floor."""
    found = []
    by_name = [(line, m) for line, m in named(one) if (one.path, room_of(m)) not in BY_NAME]
    for line, module in [*imports(one), *by_name]:
        there = room_of(module)
        if module.split('.')[0] not in PACKAGES or there == one.room:
            continue
        if one.path != 'port/__init__.py' and FLOOR.get(there, 99) >= FLOOR.get(one.room, -1):
            found.append(f'{one.path}:{line} imports {module}')
    return found


def test_every_room_stands_on_a_floor() -> None:
    rooms = {one.room for one in house()} - {'port.__init__'}
    assert rooms <= set(FLOOR)


def test_rooms_import_from_lower_floors_only() -> None:
    assert not [line for one in house() for line in upward(one)]


@pytest.mark.parametrize('path, text', [
    ('netspec/a.py', 'import surgery'), ('port/engine/a.py', 'from port.layers import relu'),
    ('port/scoring/a.py', 'def f():\n    from port import commands'),
    ('port/data/a.py', 'import port.layers.python'), ('surgery/a.py', 'import port.images'),
    ('port/fast/a.py', 'import importlib\nimportlib.import_module("port.commands.train")'),
    ('port/layers/a.py', 'TABLE = {"voc": "port.data.voc"}'), ('port/data/a.py', 'import port.new'),
    ('port/images/a.py', 'from port import Net'), ('port/data/a.py', 'from ..layers import relu')])
def test_an_import_that_leads_up_is_found(path: str, text: str) -> None:
    assert len(upward(source(path, text))) == 1


def test_what_is_named_by_a_string_is_still_there() -> None:
    inside = [one for one in house() if one.path != 'port/__init__.py']
    found = [(one, room_of(module)) for one in inside for _, module in named(one)]
    assert {(one.path, there) for one, there in found
            if there != one.room and FLOOR[there] >= FLOOR[one.room]} == BY_NAME


def test_lower_packages_do_without_what_is_large() -> None:
    assert not [f'{one.path}:{line} imports {module}' for one in house()
                for line, module in imports(one)
                if module.split('.')[0] in HEAVY.get(one.room, ())]


# -- what stands where -----------------------------------------------------------------------------

def exits(one: Source) -> list[str]:
    """Return where a file ends the process or asks click, outside of the rooms that may."""
    if one.room in MAY_EXIT:
        return []
    found = [f'{one.path}:{line} imports click' for line, module in imports(one)
             if module.split('.')[0] == 'click']
    return found + [f'{one.path}:{node.lineno} {ast.unparse(node)}' for node in ast.walk(one.tree)
                    if isinstance(node, ast.Attribute | ast.Name)
                    and ast.unparse(node) in ('sys.exit', 'os._exit', 'SystemExit', 'exit', 'quit')]


def test_only_commands_know_click_and_exit() -> None:
    assert not [line for one in house() for line in exits(one)]


@pytest.mark.parametrize('text', ['import click', 'from click import echo', 'sys.exit(1)',
                                  'raise SystemExit', 'exit(2)'])
def test_an_exit_is_found(text: str) -> None:
    assert len(exits(source('port/data/a.py', text))) == 1


def test_port_has_no_loose_files() -> None:
    assert {p.name for p in (ROOT / 'port').iterdir() if p.is_file()} <= LOOSE


def private(name: str) -> bool:
    return name.startswith('_') and not name.startswith('__') and name != '_'


def defined(one: Source) -> set[str]:
    """Return the private names that a file makes: functions, classes, variables, self._x."""
    names = set()
    for node in ast.walk(one.tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif (isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
              and ast.unparse(node.value) in ('self', 'cls')):
            names.add(node.attr)
    return {name for name in names if private(name)}


def used(one: Source) -> Iterator[tuple[int, str]]:
    """Yield (line, private name) of what a file imports, or takes from another object."""
    for node in ast.walk(one.tree):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names if private(alias.name))
        elif isinstance(node, ast.Attribute) and private(node.attr):
            yield node.lineno, node.attr


def trespasses(sources: tuple[Source, ...]) -> list[str]:
    """Return the uses of private names that only other rooms define."""
    owners = defaultdict(set)
    for one in sources:
        for name in defined(one):
            owners[name].add(one.room)
    return [f'{one.path}:{line} uses {name} of {", ".join(sorted(owners[name]))}'
            for one in sources for line, name in used(one)
            if name in owners and one.room not in owners[name]
            and name not in OF_OTHERS.get(one.path, ())]


# Names that are private to a library and that one of our rooms happens to define as well.
OF_OTHERS = {'port/engine/net.py': {'_modules'}}      # torch.nn.Module's table of modules


def test_private_names_stay_in_their_room() -> None:
    assert not trespasses(house())


@pytest.mark.parametrize('text', ['from port.engine.net import _entries', 'net._loss',
                                  'from port.engine import net\nnet._entries([])'])
def test_a_private_name_of_another_room_is_found(text: str) -> None:
    owner = source('port/engine/net.py', 'def _entries(): pass\nclass N:\n    _loss = 0')
    assert len(trespasses((owner, source('port/fast/a.py', text)))) == 1


def twice() -> set[str]:
    """Return the file names and public class names that stand twice."""
    counted = [one for one in house() if one.room not in MANY_NAMES]
    files = Counter(Path(one.path).name for one in counted)
    classes = Counter(node.name for one in counted for node in ast.walk(one.tree)
                      if isinstance(node, ast.ClassDef) and not private(node.name))
    return {name for name, count in (files | classes).items() if count > 1} - {'__init__.py'}


def test_no_file_and_no_class_has_the_name_of_another() -> None:
    assert not twice()


# -- files -----------------------------------------------------------------------------------------

def test_files_stay_small() -> None:
    assert not [one.path for one in house() if len(one.text.splitlines()) > 400]


def test_every_file_says_what_it_is() -> None:
    assert not [one.path for one in house() if not ast.get_docstring(one.tree)]


def ruff(*what: str | Path, source: str | None = None) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-m', 'ruff', 'check', '--config',
                           str(ROOT / 'pyproject.toml'), *map(str, what)],
                          input=source, capture_output=True, text=True)


def test_lint() -> None:
    """The style, and that nothing is evaluated or unpickled: flake8-bandit's rules."""
    done = ruff(*(ROOT / package for package in PACKAGES), *SCRIPTS)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('call', [
    'eval("1")', '__import__("os")\nexec("1")', 'import pickle as p\n\np.Unpickler("f")',
    'from pickle import loads\n\nloads(b"")', 'import marshal\n\nmarshal.loads(b"")'])
def test_lint_finds_what_evaluates_or_unpickles(call: str) -> None:
    done = ruff('--stdin-filename', ROOT / 'port/any.py', '-', source=f'{call}\n')
    assert done.returncode == 1 and re.search(r'\bS(102|301|302|307)\b', done.stdout)


def unpickling(one: Source) -> list[str]:
    """Return the calls that ask a reader to unpickle; unasked, torch.load and numpy.load do not."""
    return [f'{one.path}:{node.lineno}' for node in ast.walk(one.tree)
            if isinstance(node, ast.Call) for keyword in node.keywords
            if ast.unparse(keyword) in ('weights_only=False', 'allow_pickle=True')]


def test_no_reader_is_told_to_unpickle() -> None:
    scripts = [source(p.relative_to(ROOT).as_posix(), p.read_text()) for p in SCRIPTS]
    assert not [line for one in (*house(), *scripts) for line in unpickling(one)]
    assert unpickling(source('a.py', 'torch.load(f, weights_only=False)')) == ['a.py:1']


# -- what the texts name ---------------------------------------------------------------------------

NOT_OURS = {'port.pycaffe.x', 'surgery.py'}       # any module, and a file of a user's
MODULE = re.compile(r'\b(?:netspec|surgery|port)(?:\.[a-z_]\w*)+')


def texts(one: Source) -> Iterator[str]:
    """Yield the docstrings and comments of a file."""
    for node in ast.walk(one.tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            yield ast.get_docstring(node) or ''
    yield from re.findall(r'#.*', one.text)


def there(name: str) -> bool:
    """Whether a dotted name is a room or file of ours, or something that such a file has."""
    parts = name.split('.')
    for length in range(len(parts), 0, -1):
        path = ROOT.joinpath(*parts[:length])
        file = path / '__init__.py' if path.is_dir() else path.with_suffix('.py')
        if file.is_file():
            rest = parts[length:]
            return not rest or re.search(rf'\b{rest[0]}\b', file.read_text()) is not None
    return False


def test_what_docstrings_and_comments_name_is_there() -> None:
    named = {name for one in house() for text in texts(one) for name in MODULE.findall(text)}
    assert len(named) > 20 and {name for name in named if not there(name)} == NOT_OURS


@pytest.mark.parametrize(('name', 'found'), [
    ('port.draw_layout', False), ('port.describe.draw_layout', True), ('port.predictor', True),
    ('port.engine.net.Nets', False), ('port.engine.net.Net', True), ('netspec.schema', True)])
def test_a_name_of_nothing_is_found(name: str, found: bool) -> None:
    assert there(name) == found


PAGES = [*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md'), ROOT / 'tests/golden/README.md']
FILE = re.compile(r'\b(?:benchmarks|docs|netspec|port|surgery|tests)/[\w./-]+\.(?:c|md|proto|py)\b')
TO_BE_MADE = {'port/layers/relu6.py', 'tests/port/layers/test_relu6.py'}  # in adding-a-layer.md


def test_files_that_pages_name_are_there() -> None:
    named = {name for page in PAGES for name in FILE.findall(page.read_text(encoding='utf-8'))}
    assert len(named) > 30 and not {n for n in named if not (ROOT / n).is_file()} - TO_BE_MADE
