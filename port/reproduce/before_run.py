"""What a long run needs before it begins: data, weights, disk and time; which of it is there, and
where the rest is to be had. Nothing is written.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from netspec.generate import data_roots
from netspec.known_weights import KnownFile, kept_file, known_donor, released
from netspec.schema.messages import TRAIN
from netspec.variants import Variant
from netspec.variants.row import Split
from port.data.datasets import DATASETS, Archive, Dataset
from port.data.listed import ListedSplit
from port.data.seg_layer import SegDataLayer
from port.describe.net_shapes import shaped_net
from port.describe.summary import summarize, totals
from port.describe.timing import milliseconds, timed_net
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.speed_up import both_ways_by
from port.reproduce.pace import FORWARD
from port.reproduce.recipe import Settings, Stage, chain, check_options
from port.reproduce.report_pages import duration
from port.scoring.bounds import open_layer

USUAL = (375, 500)          # height and width of an image of VOC
FLOAT = 4                   # bytes
KEPT = 5                    # a stage's files of all weights: first, best, last, and two of state


@dataclass(frozen=True)
class Need:
    """One thing that a run needs: what of it is there, or what is missing and where it lies.

    archives: files that hold it; weights: the file where it is weights.
    """

    what: str
    there: bool
    told: str
    archives: tuple[Archive, ...] = ()
    weights: KnownFile | None = None

    def __str__(self) -> str:
        return f'  {"there" if self.there else "MISSING":<8} {self.what}: {self.told}'


def stages_of_all(settings: Settings, out: Path) -> list[Stage]:
    """Return the stages of a run as if all weights were there.

    Raises ValueError, KeyError or TypeError for an option that is unknown or has a wrong value.
    """
    stages = chain(replace(settings, weights=settings.weights or 'missing', released=False), out)
    if settings.released:
        return [replace(stages[-1], blocks=0)]
    check_options(settings, stages)
    return stages


def needs(settings: Settings, stages: list[Stage]) -> list[Need]:
    """Return everything that the stages of a run read, once each."""
    found: dict[str, Need] = {}
    for stage in stages:
        for test in (False, True) if stage.blocks else (True,):
            need = data_need(stage.row, Path(settings.data), test)
            found.setdefault(need.what, need)
    for need in weights_needs(settings, stages):
        found.setdefault(need.what, need)
    return list(found.values())


# -- data ------------------------------------------------------------------------------------------

def data_need(row: Variant, data: Path, test: bool) -> Need:
    """Look for one list of a row's data and for all files that it names."""
    split = row.splits[test]
    dataset, root = dataset_of(split), ', '.join(dict.fromkeys(
        place for key, place in data_roots(row, data).items() if key in dict(split.layer.dirs)))
    what = f'{dataset.name if dataset else row.dataset} {split.name}, in {root}'
    archives = dataset.archives if dataset else ()
    if dataset and not data.is_dir():
        return Need(f'{dataset.name} {split.name}', False, f'no folder {data}{_from(dataset)}',
                    archives)
    try:
        layer = open_layer(row, data, test)
        gone = [path for path in files_of(layer) if not path.is_file()]
    except (OSError, ValueError) as error:
        return Need(what, False, f'{error}{_from(dataset)}', archives)
    count = len(layer.indices)
    if gone:
        return Need(what, False, f'{len(gone)} files of its {count:,} images, such as {gone[0]}'
                    f'{_from(dataset)}', archives)
    return Need(what, True, f'{count:,} images and their labels')


def files_of(layer: SegDataLayer | ListedSplit) -> Iterator[Path]:
    """Yield the files that a list names."""
    for name in layer.indices:
        if isinstance(layer, ListedSplit):
            yield from map(Path, layer.paths[name])
        else:
            yield from layer.files(name).values()


def dataset_of(split: Split) -> Dataset | None:
    """Return the dataset that a split is of; None for a user's own."""
    folders = {folder for _, folder in split.layer.dirs}
    rows = [row for row in DATASETS.values() if row.layer.__name__ == split.layer.type]
    exact = [row for row in DATASETS.values() if row.folder in folders]
    if split.layer.type == 'ImageSegData':
        return DATASETS['voc2012']
    return next(iter([*(row for row in rows if row in exact), *rows]), None)


def _from(dataset: Dataset | None) -> str:
    """Say where a dataset is to be had."""
    if dataset is None:
        return ''
    files = ''.join(f'\n{"":11}{one.url}' + (f' (MD5 {one.md5})' if one.md5 else '')
                    for one in dataset.archives)
    return f'; from {dataset.page}{files}; `fcn data layout {dataset.name}` shows how it is to lie'


# -- weights ---------------------------------------------------------------------------------------

def released_file(settings: Settings) -> Path | None:
    """Return the released weights of the net where they lie here or by the data, or come along."""
    known = released(settings.name)
    places = [Path(folder, known.file) for folder in ('.', settings.data)] if known else []
    return next((path.resolve() for path in places if path.is_file()), kept_file(settings.name))


def weights_needs(settings: Settings, stages: list[Stage]) -> Iterator[Need]:
    """Yield the weights that a run begins with, or scores."""
    if settings.released:
        yield _weights(settings.weights, f'released weights of {settings.name}',
                       released(settings.name))
        return
    if settings.width != 1 and not settings.weights:
        return
    names = {path.name for stage in stages for path in stage.donors}
    wanted = [init.donor for stage in stages for init in stage.row.init
              if Path(settings.weights or 'missing').name in names]
    own = {stage.name for stage in stages} | set(settings.donors)
    for donor in dict.fromkeys(name for name in wanted if Path(name).name not in own):
        yield _weights(settings.weights, donor, known_donor(donor))


def _weights(given: str, what: str, known: KnownFile | None) -> Need:
    if given and Path(given).is_file():
        return Need(what, True, given)
    if given:
        return Need(what, False, f'{given} is not there', weights=known)
    if known is None:
        return Need(what, False, 'give it by --weights; no file of it is known here')
    digest = f' (SHA-1 {known.sha1})' if known.sha1 else ' (no digest is published)'
    return Need(what, False, f'{known.file}{digest}, from {known.url or known.page}; give it by '
                             '--weights', weights=known)


# -- disk and time ---------------------------------------------------------------------------------

def disk(stages: list[Stage], settings: Settings, out: Path) -> str:
    """Say how much disk the run takes, and how much there is."""
    size = sum(KEPT * FLOAT * parameters(stage.row, settings.width)
               for stage in stages if stage.blocks)
    above = next(folder for folder in (out, *out.absolute().parents) if folder.is_dir())
    return (f'disk: about {size / 1e9:.1f} GB in {out}; '
            f'{shutil.disk_usage(above).free / 1e9:.1f} GB are free')


def parameters(row: Variant, width: float) -> int:
    """Count the parameters of a row's training net."""
    sums = totals(summarize(shaped_net(timed_net(row, size_of(row), width), TRAIN)))
    return sums.learnt + sums.fixed


def size_of(row: Variant) -> tuple[int, int]:
    """Return height and width of a row's images, as far as they are of one; else VOC's."""
    dataset = dataset_of(row.splits[1])
    if row.frame or row.crop or not dataset or not dataset.size:
        return row.frame or row.crop or USUAL
    wide, high = map(int, dataset.size.split('x'))
    return high, wide


def time(stages: list[Stage], settings: Settings, device: torch.device) -> str:
    """Say how long the run takes on this device: a step of the first net, measured."""
    images = settings.images
    passes = sum(stage.iterations * stage.images for stage in stages)
    scorings = [(images or stage.row.schedule.test_iter) * max(1, stage.blocks)
                for stage in stages]
    each = seconds_an_image(stages[0].row, settings.width, device, settings.fast)
    whole = each * (passes + FORWARD * sum(scorings))
    high, wide = size_of(stages[0].row)
    return (f'time: about {duration(whole)} here ({each:.2g} s an image of {high} x {wide} forward '
            f'and back, {passes:,} to train on, {sum(scorings):,} to score)')


def seconds_an_image(row: Variant, width: float, device: torch.device,
                     fast: bool | None = None) -> float:
    """Measure a forward and backward pass of a row's training net on one image."""
    net = Net(timed_net(row, size_of(row), width), TRAIN, device=device)
    random_weights(net, 1)
    for name in {head.label for head in row.heads}:
        net.blobs[name].data.zero_()
    step = both_ways_by(net, fast)
    step()
    return milliseconds(step, device) / 1000


def told(settings: Settings, out: Path, device: torch.device) -> tuple[list[str], int]:
    """Return the lines that say it all, and how many things are missing."""
    stages = stages_of_all(settings, out)
    found = needs(settings, stages)
    names = ', '.join(stage.name for stage in stages)
    kind = 'scores' if settings.released else 'trains, one after another,'
    lines = [f'{stages[-1].name}: {kind} {names}', *map(str, found), disk(stages, settings, out)]
    try:
        lines.append(time(stages, settings, device))
    except (ValueError, RuntimeError, MemoryError) as error:
        lines.append(f'time: could not be measured here: {error}')
    return lines, sum(not need.there for need in found)
