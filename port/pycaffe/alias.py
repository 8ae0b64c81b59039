"""Let `import caffe`, and every `caffe.something`, be answered by port.pycaffe.

Each `caffe.x` is the same module object as `port.pycaffe.x`.
"""

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import Loader
from importlib.machinery import ModuleSpec
from types import ModuleType

from port.pycaffe import surgery_name as own

OURS = 'port.pycaffe'


class _Same(Loader):
    """Loader that hands out a module which exists already under another name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = importlib.import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec


class CaffeFinder:
    """Finder on sys.meta_path for the name `caffe` and all below it."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        if name != 'caffe' and not name.startswith('caffe.'):
            return None
        real = OURS + name.removeprefix('caffe')
        if importlib.util.find_spec(real) is None:
            return None
        return importlib.util.spec_from_loader(name, _Same(real))


def answer() -> ModuleType:
    """Make `caffe` mean ours in this process from now on; return it."""
    own.secure()
    if CaffeFinder not in sys.meta_path:
        for name in [n for n in sys.modules if n == 'caffe' or n.startswith('caffe.')]:
            del sys.modules[name]
        sys.meta_path.insert(0, CaffeFinder)
    return importlib.import_module('caffe')
