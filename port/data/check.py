"""Check a dataset on disk: every file of every list opened, counted against the published."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from port.data.datasets import Dataset, find_dataset
from port.data.seg_layer import SegDataLayer

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
    return layer


def problems(layer: SegDataLayer, workers: int = 2) -> Iterator[str | None]:
    """Load every name of a layer's list; yield what is wrong with each in turn, None if nothing."""
    def trouble(index: int) -> str | None:
        try:
            layer.load(index)
        except (OSError, ValueError) as error:
            return str(error)
        return None

    with ThreadPoolExecutor(workers) as pool:
        try:
            yield from pool.map(trouble, range(len(layer.indices)))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def check_split(dataset: Dataset, root: Path, split: str, progress: Progress) -> SplitReport:
    """Check one split; what its list or folders lack is a problem, not an error."""
    report = SplitReport(split, dataset.counts.get(split, ()))
    try:
        layer = open_split(dataset, root, split)
        report.has_list = layer.split_file().is_file()
        layer.indices, layer.lines = layer.read_list()
    except (OSError, ValueError) as error:
        report.problems.append(str(error))
        return report
    report.count = len(layer.indices)
    report.problems = [trouble for trouble in progress(split, report.count, problems(layer))
                       if trouble]
    return report


def check(name: str, root: str | Path, splits: tuple[str, ...] = (),
          progress: Progress = lambda split, count, walk: walk) -> list[SplitReport]:
    """Check splits of a dataset: the published ones whose lists are there, where none is named.

    `progress` may wrap the walk over a split with a bar. Raises FileNotFoundError for a root that
    is not there, nothing for what the data lacks: that stands in the reports.
    """
    dataset = find_dataset(name)
    if not Path(root).is_dir():
        raise FileNotFoundError(f'{root}: no such folder')
    reports = [check_split(dataset, Path(root), split, progress)
               for split in splits or dataset.counts]
    if not splits and any(report.has_list for report in reports):
        for report in reports:
            report.skipped = not report.has_list
            report.problems = [] if report.skipped else report.problems
    return reports
