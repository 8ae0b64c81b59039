"""Keep our `surgery` apart from a user's surgery.py (the published scripts bring one).

Imported before anything else of the face: it loads ours completely, then leaves the name to the
user's file where there is one on the path. Ours stays at hand as `surgery.<module>`.
"""

import importlib
import importlib.util
import pkgutil
import sys
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path

NAME = 'surgery'
ROOT = Path(__file__).resolve().parents[2]
USERS = ('port.engine.net_weights', 'port.engine.starting_weights')      # what of ours imports it


def is_ours(file: str | None) -> bool:
    """Whether a file lies in our package."""
    return file is not None and Path(file).resolve().is_relative_to(ROOT / NAME)


def _load() -> None:
    file = ROOT / NAME / '__init__.py'
    loader = SourceFileLoader(NAME, str(file))
    spec = importlib.util.spec_from_file_location(
        NAME, file, loader=loader, submodule_search_locations=[str(ROOT / NAME)])
    if spec is None:
        raise ImportError(f'{file}: cannot be loaded')
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    loader.exec_module(module)


def _another_on_path() -> bool:
    spec = PathFinder.find_spec(NAME, [p for p in sys.path if Path(p).resolve() != ROOT])
    return spec is not None and not is_ours(spec.origin)


def secure() -> None:
    """Load all of our surgery, whatever `surgery` means on the path, and give the name back."""
    theirs = sys.modules.get(NAME)
    if theirs is not None and is_ours(getattr(theirs, '__file__', None)):
        theirs = None
    if theirs is not None or NAME not in sys.modules:
        _load()
    package = sys.modules[NAME]
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f'{NAME}.{module.name}')
    for name in USERS:
        importlib.import_module(name)
    if theirs is not None:
        sys.modules[NAME] = theirs
    elif _another_on_path():
        del sys.modules[NAME]


secure()
