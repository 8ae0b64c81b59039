"""Check a dataset on disk: every file of every list opened, counted against the published."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from port.data.datasets import Dataset, find_dataset
from port.data.seg_layer import SegDataLayer, size_of

Progress = Callable[[str, int, Iterator[str | None]], Iterator[str | None]]


@dataclass
class SplitReport:
    """What was found of one split; `problems` holds at most one line for each name."""

    split: str
    expected: tuple[int, ...]
    count: int = 0
    has_list: bool = False
    skipped: bool = False
    problems: list[str] = field(default_factory=list)

    @property
    def right_count(self) -> bool:
        """Tell whether the list is as long as published."""
        return self.skipped or not self.expected or self.count in self.expected

    def line(self) -> str:
        """Sum the split up in a line."""
        published = ' or '.join(f'{n:,}' for n in self.expected)
        if self.skipped:
            return f'{self.split}: no list here, not checked; published {published}'
        return (f'{self.split}: {self.count:,} images'
                + (f', published {published}' if published else '')
                + ('' if self.right_count else ' (DIFFERS)')
                + f', {len(self.problems)} problem{"" if len(self.problems) == 1 else "s"}')


def open_split(dataset: Dataset, root: Path, split: str) -> SegDataLayer:
    """Make the dataset's layer for a split; its list is not read yet."""
    layer = dataset.layer()
    layer.param_str = repr({**dataset.params(dataset.root(root)), 'split': split})
    layer.read_param_str()
    dataset.tighten(layer)
    return layer


def trouble(layer: SegDataLayer, index: int, size: str) -> str | None:
    """Load one pair; say what is wrong with it, None if nothing. `size`: WxH, '' for any."""
    try:
        found = size_of(layer.load(index)[0])
    except (OSError, ValueError) as error:
        return str(error)
    if size in ('', found):
        return None
    path = layer.files(layer.indices[index])[layer.tops[0]]
    return (f'{path}: {found}, expected {size} (width x height) '
            f'(listed in {layer.split_file()}:{layer.lines[index]})')


def problems(layer: SegDataLayer, size: str = '', workers: int = 2) -> Iterator[str | None]:
    """Load every name of a layer's list once; yield what is wrong with each, None if nothing."""
    places: dict[str, list[int]] = {}
    for index, name in enumerate(layer.indices):
        places.setdefault(name, []).append(index)

    def line(item: tuple[str, list[int]]) -> str | None:
        name, (first, *again) = item
        found = trouble(layer, first, size)
        if not again:
            return found
        twice = (f"'{name}' stands in {layer.split_file()}:{layer.lines[first]} and again in line "
                 + ', '.join(str(layer.lines[index]) for index in again))
        return f'{found}; {twice}' if found else twice

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(line, places.items())
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_split(dataset: Dataset, root: Path, split: str, progress: Progress) -> SplitReport:
    """Check one split; what its list or folders lack is a problem, not an error."""
    report = SplitReport(split, dataset.counts.get(split, ()))
    try:
        layer = open_split(dataset, root, split)
        report.has_list = layer.split_file().exists()          # Cityscapes has folders, no lists
        layer.indices, layer.lines = layer.read_list()
    except (OSError, ValueError) as error:
        report.problems.append(str(error))
        return report
    report.count = len(layer.indices)
    walk = progress(split, len(set(layer.indices)), problems(layer, dataset.size))
    report.problems = [line for line in walk if line]
    return report


def check(name: str, root: str | Path, splits: tuple[str, ...] = (),
          progress: Progress = lambda split, count, walk: walk) -> list[SplitReport]:
    """Check the named splits of a dataset; with none named, the published ones whose lists are
    there.

    progress: wraps the walk over a split, with a bar for instance. Raises FileNotFoundError for a
    root that is not there; whatever else is missing stands in the reports.
    """
    dataset = find_dataset(name)
    if not dataset.own and not Path(root).is_dir():
        raise FileNotFoundError(f'{root}: no such folder')
    reports = [check_split(dataset, Path(root), split, progress)
               for split in splits or dataset.counts]
    if not splits and any(report.has_list for report in reports):
        for report in reports:
            report.skipped = not report.has_list
            report.problems = [] if report.skipped else report.problems
    return reports
