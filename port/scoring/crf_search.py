"""Find the weights of a dense CRF for a net: the papers' grid, coarse to fine.

DeepLab (ICLR 2015, section 4.1; PAMI 2017, section 4.1.1) keeps w2 = 3 and sigma_gamma = 3, tries
the bilateral term's three numbers on a coarse grid over 100 images, and then on finer ones around
the best. What is counted is kept in a file after each image, so that the same search goes on from
there.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from netspec.schema import write_atomic
from port.crf.crf_weights import CrfWeights
from port.data.seg_layer import SegDataLayer
from port.engine.net import Net
from port.layers.bases.image_list import ImageListLayer
from port.scoring.crf_labels import CrfOfData, crf_labels
from port.scoring.evaluate import data_instance, listed_data, names_of, seek
from port.scoring.metrics import Scores, fast_hist

Labels = Callable[[CrfWeights | None], np.ndarray]      # of one image; None: without a CRF
Picture = tuple[Labels, np.ndarray]                     # and its truth
Pictures = Callable[[int], Iterable[Picture]]           # from that number on
Left = Callable[[], float]                              # seconds, estimated
Progress = Callable[[Iterable[int], str, Left], Iterable[int]]
Grid = dict[str, tuple[float, ...]]                     # of bi_w, bi_xy, bi_rgb
GRIDS: dict[str, Grid] = {
    'v1': {'bi_w': (5, 6, 7, 8, 9, 10), 'bi_xy': (50, 60, 70, 80, 90, 100),
           'bi_rgb': (3, 4, 5, 6, 7, 8, 9, 10)},
    'v2': {'bi_w': (3, 4, 5, 6), 'bi_xy': (30, 40, 50, 60, 70, 80, 90, 100),
           'bi_rgb': (3, 4, 5, 6)},
}
ROUNDS = 3


def spacing(values: Sequence[float]) -> float:
    """Return the distance of a grid's values; of a single one, 0."""
    return values[1] - values[0] if len(values) > 1 else 0


def points(grid: Grid, pos: tuple[float, float]) -> list[CrfWeights]:
    """Return all weights of a grid."""
    return [CrfWeights(*pos, *rest) for rest in product(*(grid[axis] for axis in grid))]


def finer(grid: Grid, best: CrfWeights, times: int) -> Grid:
    """Return the best and its neighbours on either side, at the grid's steps halved `times`."""
    around = {}
    for axis, values in grid.items():
        middle, by = getattr(best, axis), spacing(values) / 2 ** times
        around[axis] = tuple(v for v in (middle - by, middle, middle + by) if v > 0) \
            if by else (middle,)
    return around


def edges(grid: Grid, best: CrfWeights) -> list[str]:
    """Name the axes on which the best lies at an end of the grid: better may lie beyond."""
    return [axis for axis, values in grid.items()
            if len(values) > 1 and not min(values) < getattr(best, axis) < max(values)]


@dataclass
class CrfSearch:
    """A search, and what it has counted: for each weights, of how many images, and the histogram.

    path: the file that keeps it. what: plain values that tell this search from another.
    """

    path: Path
    what: dict[str, Any]
    grid: Grid
    pos: tuple[float, float] = (3, 3)
    rounds: int = ROUNDS
    threads: int = 1
    counted: dict[CrfWeights | None, tuple[int, np.ndarray]] = field(default_factory=dict)
    tried: list[CrfWeights] = field(default_factory=list)
    spent: float = 0                    # seconds in this process
    refined: int = 0                    # how often a picture was in it
    due: int = 0                        # how often one will still be, in all rounds

    def run(self, pictures: Pictures, images: int, classes: int,
            progress: Progress = lambda numbers, what, left: numbers) -> list[CrfWeights]:
        """Search; return all weights that were tried, the best first.

        Goes on where the file says; ValueError where that is another search's.
        """
        if self.path.exists():
            self._read()
        grid, self.tried = self.grid, []
        # A later round tries three values of an axis, the middle ones of which are counted.
        later = prod(3 for values in grid.values() if len(values) > 1) - 1
        for n in range(self.rounds):
            wanted = points(grid, self.pos)
            self.due = (self.rounds - 1 - n) * later * images
            self._count([None, *wanted], pictures, images, classes, progress,
                        f'round {n + 1} of {self.rounds}, {len(wanted)} weights')
            self.tried += wanted
            grid = finer(self.grid, self.ranked()[0], n + 1)
        return self.ranked()

    def left(self) -> float:
        """Estimate the seconds that are left, with the rounds to come."""
        return self.spent / self.refined * self.due if self.refined else 0

    def ranked(self) -> list[CrfWeights]:
        """Return the weights of the rounds so far, the best first; of equals the first tried."""
        return sorted(dict.fromkeys(self.tried), key=lambda point: -self.scores(point).mean_iu)

    def scores(self, point: CrfWeights | None) -> Scores:
        """Return the scores of weights; of None, those without a CRF."""
        return Scores(self.counted[point][1])

    def _count(self, wanted: Sequence[CrfWeights | None], pictures: Pictures, images: int,
               classes: int, progress: Progress, what: str) -> None:
        """Count all that is wanted, image by image, up to that number of images."""
        for point in wanted:
            self.counted.setdefault(point, (0, np.zeros((classes, classes), np.int64)))
        first = min(self.counted[point][0] for point in wanted)
        if first >= images:
            return
        self.due += sum(images - self.counted[point][0] for point in wanted)
        rows = zip(progress(range(first, images), what, self.left), pictures(first), strict=False)
        with ThreadPoolExecutor(self.threads, 'search') as pool:
            begin = time.monotonic()
            for number, (labels, truth) in rows:
                due = [point for point in wanted if self.counted[point][0] == number]
                for point, found in zip(due, pool.map(labels, due), strict=True):
                    hist = self.counted[point][1] + fast_hist(truth, found, classes)
                    self.counted[point] = number + 1, hist
                self._write()
                self.due, self.refined = self.due - len(due), self.refined + len(due)
                self.spent, begin = self.spent + time.monotonic() - begin, time.monotonic()

    def _write(self) -> None:
        rows = [{'weights': point, 'images': count, 'hist': hist.tolist()}
                for point, (count, hist) in self.counted.items()]
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(self.path, [json.dumps({'what': self.what, 'counted': rows}).encode()])

    def _read(self) -> None:
        try:
            kept = json.loads(self.path.read_text(encoding='utf-8'))
            what, rows = kept['what'], kept['counted']
            self.counted = {row['weights'] and CrfWeights(*row['weights']):
                            (row['images'], np.array(row['hist'], np.int64)) for row in rows}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f'{self.path}: not the file of a search ({error}); give another '
                             '--out') from None
        for key in {*what, *self.what}:
            if what.get(key) != self.what.get(key):
                raise ValueError(f'{self.path}: that search has {key} {what.get(key)!r}, this one '
                                 f'{self.what.get(key)!r}; give another --out')


def pictures_of(net: Net, most: int) -> int:
    """Return how many pictures a net's data has; at most that many."""
    data = data_instance(net) or listed_data(net)
    return most if data is None else min(most, len(names_of(data)))


def net_pictures(net: Net, score: str, label: str) -> Pictures:
    """Return the pictures of a net with data: each pass is one, refined by one thread a weights.
    """
    crf, data = CrfOfData(net), data_instance(net) or listed_data(net)

    def pictures(first: int) -> Iterator[Picture]:
        seek(data, first)
        if not isinstance(data, (SegDataLayer, ImageListLayer)):    # it cannot be told
            for _ in range(first):
                net.run_forward()
        while True:
            net.run_forward()
            rgb = crf.picture()
            scores = crf.scores(score, rgb)
            truth = net.blobs[label].data[0, 0, :rgb.shape[0], :rgb.shape[1]].cpu().numpy()
            yield partial(_labels, net, score, scores, rgb), truth
    return pictures


def _labels(net: Net, score: str, scores: np.ndarray, rgb: np.ndarray,
            crf: CrfWeights | None) -> np.ndarray:
    return crf_labels(net, score, scores, rgb, crf, 1) if crf else scores.argmax(0)
