"""Run a script, and import what lies beside it, converted from Python 2 in memory."""

import importlib.util
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import distributions
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from port.pycaffe.py2.names import NAMES
from port.pycaffe.py2.tree import convert

OURS = Path(__file__).resolve().parents[3]
OUR_PACKAGES = ('netspec', 'surgery', 'port')
PACKAGES = {'site-packages', 'dist-packages'}


class Script(SourceFileLoader):
    """Load a source file afresh; py2: convert it first. Nothing is written beside it."""

    def __init__(self, name: str, path: str, py2: bool = True) -> None:
        super().__init__(name, path)
        self.py2 = py2

    def path_stats(self, path: str) -> dict:
        raise OSError('no bytecode is kept of a script')

    def source_to_code(  # type: ignore[override]  # as SourceLoader itself does
            self, data: Any, path: Any = '<string>', **options: Any) -> CodeType:
        return convert(data, path) if self.py2 else super().source_to_code(data, path, **options)

    def exec_module(self, module: ModuleType) -> None:
        if self.py2:
            for name, value in NAMES.items():
                module.__dict__.setdefault(name, value)
        super().exec_module(module)

    def run(self) -> None:
        """Run the file as __main__."""
        module = importlib.util.module_from_spec(ModuleSpec(self.name, self, origin=self.path))
        module.__file__ = self.path
        module.__spec__ = None                 # as for `python script.py`
        sys.modules[self.name] = module
        self.exec_module(module)


@cache
def of_python_3(folder: Path) -> frozenset[str]:
    """Return the files and packages of a folder that are of today: what pip put there, as the
    lists of what it installed say, or all where a pyproject.toml lies (Python 2 knew none).
    """
    if (folder / 'pyproject.toml').is_file():
        return frozenset(entry.name for entry in folder.iterdir())
    return frozenset(file.parts[0] for found in distributions(path=[str(folder)])
                     for file in found.files or () if file.parts[0] != '..')


class Py2Finder:
    """Finder on sys.meta_path that converts the modules of some folders."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.folders = [Path(folder).resolve() for folder in folders]
        self.library = Path(sysconfig.get_path('stdlib')).resolve()

    def covers(self, file: Path) -> bool:
        """Whether a file is a user's: in the folders, but neither installed nor ours."""
        file = file.resolve()
        over = [folder for folder in self.folders if file.is_relative_to(folder)]
        if not over:
            return False
        top = min(over, key=lambda folder: len(folder.parts))
        steps = [file, *(folder for folder in file.parents if folder.is_relative_to(top))]
        return (not any(step.name in of_python_3(step.parent) for step in steps
                        if step.parent.is_relative_to(top))
                and not PACKAGES & set(file.parts)
                and not file.is_relative_to(self.library)
                and not any(file.is_relative_to(OURS / name) for name in OUR_PACKAGES))

    def find_spec(self, name: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or spec.origin is None or not isinstance(spec.loader, SourceFileLoader):
            return None
        if not self.covers(Path(spec.origin)):
            return None
        return importlib.util.spec_from_file_location(
            name, spec.origin, loader=Script(name, spec.origin),
            submodule_search_locations=spec.submodule_search_locations)
