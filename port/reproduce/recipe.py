"""What a reproduction consists of: the chain of nets, each one's folder, blocks and settings."""

import json
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from netspec.experiments import Experiment, find_experiment, is_known
from netspec.known_weights import known_donor
from netspec.schema import read_json, write_atomic
from netspec.schema.messages import SolverParameter
from netspec.solver_param import solver
from netspec.spec import assign_proto, unknown
from netspec.variants import Variant
from port.data.datasets import class_names
from port.data.seg_layer import OPTIONS
from port.training import updates
from port.training.batch_norm_statistics import PASSES
from port.training.lr_policy import learning_rate

log = logging.getLogger('port.reproduce')
SETTINGS_FILE = 'run.json'
BY_BLOCKS, BY_RUN = 'is set by the blocks; use --block, --blocks', 'is set by the run'
FIXED = {**dict.fromkeys(('max_iter', 'snapshot', 'snapshot_prefix', 'test_iter'), BY_BLOCKS),
         **dict.fromkeys(('net', 'train_net', 'test_net', 'snapshot_format'), BY_RUN)}


@dataclass(frozen=True)
class Settings:
    """Everything that decides a run's numbers; a folder holds one run.

    block, blocks: images of a block and number of blocks in place of the published. images: score
    that many in place of the whole split. split: score on this list in place of the row's.
    options: solver fields, 'KEY' for all nets or 'NET.KEY'. donors: net -> weights to start from
    in place of training that net. fast: by the fast engine, the same numbers within rounding; None
    for the usual engine (port.fast.speed_up.train_by).
    train_data: further entries of the training data layer's param_str, keyed as options.
    scale: images and labels of both lists are resized by this factor. statistics: training batches
    that BatchNorm's are counted over before a scoring; 0 for as many as show the list once.
    share_steps: several processes make the passes of a step together, with random numbers of their
    own, where else one of them trains.
    """

    name: str
    data: str
    weights: str = ''
    _: KW_ONLY
    net: str = ''
    width: float = 1.0
    block: int | None = None
    blocks: int | None = None
    images: int | None = None
    split: str = ''
    seed: int = 1337
    released: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    donors: dict[str, str] = field(default_factory=dict)
    fast: bool | None = None
    tf32: bool = False
    train_data: dict[str, Any] = field(default_factory=dict)
    scale: float = 1.0
    statistics: int = PASSES
    share_steps: bool = False

    @classmethod
    def of_run(cls, out: Path) -> 'Settings':
        """Return the settings that the run of a folder was begun with."""
        try:
            found = read_json(out / SETTINGS_FILE, 'record of a run')
            return cls(**{key: value for key, value in found.items()
                          if key in cls.__dataclass_fields__})
        except (ValueError, TypeError) as error:
            raise ValueError(f'{error}; write it anew with the settings that the run was begun '
                             'with, or name another --out') from None

    def as_begun(self, out: Path) -> 'Settings':
        """Return the settings with the engine that the run of a folder was begun with, where none
        is asked for.
        """
        if self.fast is not None or not underway(out):
            return self
        return replace(self, fast=Settings.of_run(out).fast)

    def claim(self, out: Path, another_length: bool = False) -> None:
        """Write the settings into a new folder, or check that they are those it was begun with.

        As long as nothing was trained or scored there, other settings take their place.
        another_length: so may another number of blocks of a run that has one net. ValueError for
        any other change.
        """
        if not underway(out):
            self._clear(out)
            self._write(out)
            return
        changed, fault = self.changes(out), ''
        if list(changed) == ['blocks'] and another_length:
            fault = self._fault_of_length(out)
            if not fault:
                log.warning('%s: was begun with %s', out, changed['blocks'])
                self._write(out)
                return
        if changed:
            raise ValueError(f'{out} was begun with {"; ".join(changed.values())}{fault}: go on '
                             'with the same settings, or name another --out')

    def changes(self, out: Path) -> dict[str, str]:
        """Return what these settings change in those that the run of a folder was begun with: what
        it was and is, by the setting's name.
        """
        mine, theirs = json.loads(json.dumps(asdict(self))), asdict(Settings.of_run(out))
        return {key: f'{key} {theirs[key]!r}, now {value!r}' for key, value in mine.items()
                if theirs[key] != value}

    def _clear(self, out: Path) -> None:
        """Remove the weights that surgery made here for the nets of this run, or of an earlier one
        of which nothing was trained: they may have been made of others than are given now.
        """
        begun = [self]
        with suppress(FileNotFoundError, ValueError):
            begun.append(Settings.of_run(out))
        for settings in begun:
            with suppress(ValueError, KeyError):
                for stage in chain(settings, out):
                    stage.init.unlink(missing_ok=True)

    def _fault_of_length(self, out: Path) -> str:
        """Say why a run cannot have so many blocks; '' where what is trained is a part of them."""
        stage, *others = chain(self, out)
        if not self.blocks:
            return ' (the published number; say it by --blocks)'
        if others or self.released:
            return ' (only the training of a single net may be given another length)'
        if solver(stage.row, **solver_options(stage, self, 1)).lr_policy == 'poly':
            return ' (its rate depends on the length: lr_policy is "poly")'
        reached = stage.reached()
        return f' ({reached} iterations are trained)' if reached > stage.iterations else ''

    def _write(self, out: Path) -> None:
        """Write the settings as the record of the run in a folder."""
        out.mkdir(parents=True, exist_ok=True)
        write_atomic(out / SETTINGS_FILE, [(json.dumps(asdict(self), indent=2) + '\n').encode()])


def underway(out: Path) -> bool:
    """Tell whether something was trained or scored in the folder of a run."""
    return (out / SETTINGS_FILE).exists() and any(out.glob('*/s*/*iter_*'))


@dataclass(frozen=True)
class Stage:
    """One net of the chain: where it lies, what it starts from, how long it trains. images: of an
    iteration, all its passes together.
    """

    experiment: Experiment
    folder: Path
    donors: tuple[Path, ...]     # weights, one for each of the row's init, or where it has none
                                 # weights of this very net to go on from; () from fillers
    block: int
    blocks: int
    images: int

    @property
    def name(self) -> str:
        """The net's or experiment's name."""
        return self.experiment.name

    @property
    def row(self) -> Variant:
        """The row of the table of nets."""
        return self.experiment.row

    @property
    def iterations(self) -> int:
        """How long it trains in all."""
        return self.block * self.blocks

    def file(self, test: bool) -> Path:
        """The prototxt of its training or its testing net."""
        return self.folder / f'{self.row.splits[test].file}.prototxt'

    def weights(self, iteration: int | None = None) -> Path:
        """The weights after an iteration; after the last where none is named."""
        done = self.iterations if iteration is None else iteration
        return self.folder / 'snapshot' / f'train_iter_{done}.caffemodel'

    def scores(self, iteration: int) -> Path:
        """The scores after an iteration."""
        return self.folder / 'scores' / f'iter_{iteration}.json'

    @property
    def init(self) -> Path:
        """The weights that surgery makes for it to begin with."""
        return self.folder / 'init.caffemodel'

    def state(self) -> Path | None:
        """The last solver state whose weights are there."""
        found = {_iteration(path): path
                 for path in (self.folder / 'snapshot').glob('train_iter_*.solverstate')
                 if path.with_suffix('.caffemodel').exists()}
        return found[max(found)] if found else None

    def reached(self) -> int:
        """The iteration of the last scoring or solver state, whichever is later."""
        found = [*(self.folder / 'scores').glob('iter_*.json'), *filter(None, [self.state()])]
        return max(map(_iteration, found), default=0)


def _iteration(path: Path) -> int:
    """Return the iteration that a file is named after."""
    return int(path.name.partition('.')[0].rpartition('_')[2])


def chain(settings: Settings, out: Path) -> list[Stage]:
    """Return the nets to train, donors before those that start from them.

    Raises ValueError where the weights of a classifier are needed and not given, and where what
    is reproduced is given as a donor.
    """
    if settings.name in settings.donors:
        raise ValueError(f'--donor {settings.name}: that is what is trained here; to score its '
                         'weights, give them by --released --weights')
    experiment = find_experiment(settings.name, settings.net or None)
    _check_background(experiment)
    stages: dict[str, Stage] = {}
    _add(experiment, settings, out, stages)
    return list(stages.values())


def _check_background(experiment: Experiment) -> None:
    """Raise ValueError where an experiment needs a background and its net has none to hide."""
    row = experiment.row
    if not experiment.foreground:
        return
    first = (*class_names(row.heads[0]), '')[0]
    if len(row.inputs) > 1 or len(row.heads) > 1 or first != 'background':
        raise ValueError(
            f'{experiment.name} tells foreground from background: it needs a net of one input and '
            f'one head whose first class is the background; this one has {len(row.inputs)} '
            f'input(s), {len(row.heads)} head(s) and first the class {first!r}')


def _add(experiment: Experiment, settings: Settings, out: Path, stages: dict[str, Stage]) -> Path:
    """Append an experiment after all that it starts from; return its final weights' path."""
    experiment = _scored_on(experiment, settings.split)
    if experiment.name in settings.donors:
        return Path(settings.donors[experiment.name])
    if experiment.name not in stages:
        if experiment.weights_of:
            source = find_experiment(experiment.weights_of, settings.net or None)
            donors = [_add(source, settings, out, stages)]
        else:
            found = (_donor(init.donor, settings, out, stages) for init in experiment.row.init)
            donors = [path for path in found if path is not None]
            if not experiment.row.init and settings.weights:
                donors = [Path(settings.weights)]
        schedule = experiment.row.schedule
        images = _images_of(experiment, settings)
        block = max(1, settings.block // images) if settings.block else schedule.block
        blocks = 0 if experiment.weights_of else settings.blocks or schedule.repeats
        stages[experiment.name] = Stage(
            experiment, out / experiment.name, tuple(donors), block, blocks, images)
    return stages[experiment.name].weights()


def _scored_on(experiment: Experiment, split: str) -> Experiment:
    """Return the experiment with another list in the place of its test split's."""
    if not split:
        return experiment
    train, test = experiment.row.splits
    row = replace(experiment.row, splits=(train, replace(test, name=split)), own_splits=None)
    return replace(experiment, row=row)


def _images_of(experiment: Experiment, settings: Settings) -> int:
    """Return how many images an iteration takes: a batch, iter_size times."""
    name, row = experiment.name, experiment.row
    return (_count(of_stage(name, settings.train_data).get('batch'), row.batch)
            * _count(of_stage(name, settings.options).get('iter_size'), row.schedule.iter_size))


def _count(given: object, usual: int) -> int:
    """Return what an option counts, or what is usual where it counts nothing."""
    return given if type(given) is int and given > 0 else usual


def _donor(name: str, settings: Settings, out: Path, stages: dict[str, Stage]) -> Path | None:
    if is_known(name):
        return _add(find_experiment(name), settings, out, stages)
    if settings.weights:
        return Path(settings.weights)
    if settings.width == 1:
        known = known_donor(name)
        file = known.file if known else f'{name}.caffemodel'
        fetched = ' or --download' if known and known.url else ''
        raise ValueError(f'{settings.name} starts from {name}: give its weights by --weights '
                         f'{file}{fetched} (from fillers the full net does not learn), or a '
                         '--width below 1 to train a narrow net from scratch')
    return None


def solver_options(stage: Stage, settings: Settings, images: int) -> dict[str, Any]:
    """Return the solver's fields for a stage: the published ones but for length and snapshots.

    What is set for the stage itself goes before what is set for all.
    """
    options: dict[str, Any] = dict(
        max_iter=stage.iterations or 1, snapshot=None, snapshot_prefix='snapshot/train',
        test_iter=images, random_seed=settings.seed,
        display=min(20, max(1, stage.block // 10)))
    given = of_stage(stage.name, settings.options)
    if 'base_lr' in given and f'{stage.name}.base_lr' not in settings.options:
        given['base_lr'] *= stage.experiment.rate_times
    return options | given


def of_stage(name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is given as KEY for all nets, and before that what is given as NET.KEY, for the
    net of a name.
    """
    own = f'{name}.'
    return {key: value for key, value in given.items() if '.' not in key} | {
        key.removeprefix(own): value for key, value in given.items() if key.startswith(own)}


def check_options(settings: Settings, stages: list[Stage]) -> None:
    """Raise ValueError for a solver field that is none, or for a net that is not in the chain."""
    names = [stage.name for stage in stages]
    for option, keys in (('--set', settings.options), ('--train-data', settings.train_data)):
        for key in keys:
            net = key.rpartition('.')[0]
            if net and net not in names:
                raise ValueError(f'{option} {key}: no net {net!r} is trained here; there are '
                                 f'{", ".join(names)}')
    for key in settings.train_data:
        if key.rpartition('.')[2] not in OPTIONS:
            raise ValueError(str(unknown('--train-data: the data layers have no option',
                                         key.rpartition('.')[2], OPTIONS).args[0]))
    for key, value in settings.options.items():
        name = key.rpartition('.')[2]
        if name in FIXED:
            raise ValueError(f'--set {key}: {FIXED[name]}')
        if value is not None:
            assign_proto(SolverParameter(), name, value)   # says which field takes no such value
    for stage in stages:
        param = solver(stage.row, **solver_options(stage, settings, 1))
        updates.check(param)
        learning_rate(param, 0)

