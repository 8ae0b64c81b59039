"""docs/architecture.md lists the rooms on the floors that tests/test_architecture.py holds."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'architecture.md'


def page() -> str:
    return PAGE.read_text(encoding='utf-8')


def floors() -> list[tuple[str, ...]]:
    """Return the floors as the rules have them, lowest first."""
    tree = ast.parse((ROOT / 'tests' / 'test_architecture.py').read_text(encoding='utf-8'))
    values = {ast.unparse(node.targets[0]): node.value for node in tree.body
              if isinstance(node, ast.Assign)}
    return list(ast.literal_eval(values['FLOORS']))


def test_the_table_has_every_room_on_its_floor_and_says_what_is_there() -> None:
    rows = re.findall(r'^\| (\d+) \| `([\w.]+)` \| (.+) \|$', page(), re.M)
    assert [(int(floor), room) for floor, room, _ in rows] == [
        (number, room) for number, rooms in reversed(list(enumerate(floors(), 1)))
        for room in rooms]
    assert all(what.strip() for _, _, what in rows)


def test_the_folders_and_the_picture_that_it_names_are_there() -> None:
    for name in re.findall(r'`((?:netspec|tests|docs|port|surgery)/[\w/.]*)`', page()):
        assert (ROOT / name).exists(), name
    for name in re.findall(r'\]\((\w+\.\w+)\)', page()):
        assert (ROOT / 'docs' / name).is_file(), name
