"""What NET means in every command: a published name, a folder, or a prototxt file, anybody's.

A folder is one of `fcn new` or `fcn reproduce`, which say which net lies there, or any other that
holds prototxt files; what was trained in it is found there too. A few published nets have weights
that were trained here and come along (weights/).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import Any

from netspec.experiments import EXPERIMENTS, find_experiment
from netspec.families import make_net
from netspec.known_weights import kept_file
from netspec.own_dataset import find_own, is_own, read_row
from netspec.schema.files import existing, read_json
from netspec.schema.messages import NetParameter
from netspec.spec import unknown
from netspec.variants import VARIANTS, Variant

RUN_FILE = 'run.json'          # `fcn reproduce` keeps its settings here
BEST = 'snapshot/train_best.caffemodel'      # `fcn train` keeps the best of its scorings here
DEPLOY, TESTS = 'deploy', ('val', 'test')

Classes = int | tuple[int, ...] | None


@dataclass(frozen=True)
class NamedNet:
    """A net, by whatever it was named.

    given: the name, folder or file as it was written. row: of the table, or a user's own; None
    where only files are known. file: the prototxt; None where the net is made from its row.
    folder: where its other prototxt files and its snapshots lie, if anywhere. make, width: how
    and how wide the net is made there.
    """

    given: str
    row: Variant | None = None
    file: Path | None = None
    folder: Path | None = None
    make: Callable[..., NetParameter] = make_net
    width: float | None = None

    @property
    def name(self) -> str:
        """The row's name, else what was given."""
        return self.row.name if self.row else self.given

    def known_row(self, why: str) -> Variant:
        """Return the row; ValueError for a prototxt, which has none, saying why one is needed."""
        if self.row is None:
            raise ValueError(f'{self.given}: {why} needs a published net, or a folder of `fcn new` '
                             'or `fcn reproduce`; a prototxt does not say where it comes from')
        return self.row

    def deploy(self, width: float | None = None, classes: Classes = None) -> NetParameter | Path:
        """Return the deploy net: the file, or a net of this width and these classes."""
        return self.file or self.net(DEPLOY, width, classes)

    def net(self, split: str, width: float | None = None, classes: Classes = None) -> NetParameter:
        """Make the net of one split from the row, of the folder's width where none is given."""
        row = self.known_row(f'its {split} net')
        return self.make(row, split, width=self.width if width is None else width, classes=classes)

    def trained(self) -> Path | None:
        """Return the best weights trained in the folder, where they were scored, else the last; of
        a published net those that come along.
        """
        if self.folder is None:
            return kept_file(self.row.name) if self.row and self.file is None else None
        if (best := self.folder / BEST).is_file():
            return best
        found = [(int(number), path) for path in self.folder.glob('snapshot/*_iter_*.caffemodel')
                 if (number := path.stem.rpartition('_')[2]).isdecimal()]
        return max(found)[1] if found else None


def find_net(given: str | PathLike[str] | Variant) -> NamedNet:
    """Return the net that is meant; KeyError or FileNotFoundError with the closest name.

    A published name is always the published net: a folder of that name is written ./NAME.
    """
    if isinstance(given, Variant):
        return NamedNet(given.name, given)
    text, path = fspath(given), Path(given)
    if text in VARIANTS:
        return NamedNet(text, VARIANTS[text])
    if path.is_dir():
        return _in_folder(text, path)
    staged = find_own(text)              # a stage on a user's own data
    if staged:
        return NamedNet(text, staged)
    if path.is_file() or path.suffix or len(path.parts) > 1:
        return NamedNet(text, file=existing(path, 'prototxt'))
    raise unknown('no net, folder or prototxt is named', text, VARIANTS)


def find_row(given: str | PathLike[str] | Variant, why: str = 'this') -> Variant:
    """Return the row of a net that must have one; ValueError for a prototxt, saying why."""
    return find_net(given).known_row(why)


def _in_folder(text: str, folder: Path) -> NamedNet:
    """Return the net of a folder: as `fcn new` or `fcn reproduce` describes it, or by its files."""
    if is_own(folder):
        return NamedNet(text, read_row(folder), folder=folder)
    if (folder / RUN_FILE).is_file():
        run = _read(folder / RUN_FILE, 'fcn reproduce')
        return _reproduced(text, run, run['name'], folder)
    if (folder.parent / RUN_FILE).is_file():
        run = _read(folder.parent / RUN_FILE, 'fcn reproduce')
        name = _in_run(run['name'], folder.resolve().name)
        if name:
            return _reproduced(text, run, name, folder.parent)
    if any((folder / f'{name}.prototxt').is_file() for name in (DEPLOY, *TESTS)):
        return NamedNet(text, file=folder / f'{DEPLOY}.prototxt', folder=folder)
    raise FileNotFoundError(f'{folder}: no net in this folder; expected one that `fcn new`, '
                            f'`fcn reproduce` or `fcn generate` wrote: {DEPLOY}.prototxt, '
                            f'{TESTS[0]}.prototxt')


def stages_of_run(net: NamedNet) -> list[NamedNet]:
    """Return the nets of the run of `fcn reproduce` that a net is of and that are trained, the
    coarsest first; none of any other net.
    """
    run = net.folder.parent if net.folder else None
    if run is None or not (run / RUN_FILE).is_file():
        return []
    found = [_in_folder(str(path), path) for path in sorted(run.iterdir())
             if path.name in (*VARIANTS, *EXPERIMENTS)]
    return sorted((one for one in found if one.trained()),
                  key=lambda one: -one.row.stride if one.row else 0)


def _in_run(run: str, name: str) -> str:
    """Return by what the net of that name is found in a run of another; '' where it is not in it.
    """
    if name in (*VARIANTS, *EXPERIMENTS):
        return name
    beside = (run, str(Path(run).with_name(name)))      # on a user's own data: by its folder's path
    return next((place for place in beside if getattr(find_own(place), 'name', '') == name), '')


def _reproduced(text: str, run: Mapping[str, Any], name: str, out: Path) -> NamedNet:
    """Return a net of a run in `out`: its experiment's row and maker, the run's width."""
    experiment = find_experiment(name, run.get('net') or None)
    return NamedNet(text, experiment.row, folder=out / experiment.name, make=experiment.make,
                    width=float(run.get('width', 1)))


def _read(path: Path, command: str) -> dict[str, Any]:
    try:
        found = read_json(path, f'note of `{command}`')
        return {**found, 'name': str(found['name'])}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f'{path}: not what `{command}` writes ({error}); '
                         'write it again') from error


def scored_file(net: NamedNet) -> Path:
    """Return the prototxt that a net is scored by: the file given, or the folder's val or test."""
    folder = net.folder
    if folder is None:
        if net.file is None:
            raise ValueError(f'{net.given}: name its folder or file, or the data to score it on')
        return net.file
    names = [net.row.splits[1].file] if net.row else TESTS
    found = [folder / f'{name}.prototxt' for name in names]
    return next((path for path in found if path.is_file()), found[0])
