"""What a scoring tells of its frames: the IU of each, and how far mean IU may lie off by chance.

The bootstrap (Efron 1979) draws as many frames as there are, with replacement, again and again, and
scores each draw by its summed histogram, as the paper scores the list.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isqrt
from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from netspec.schema import write_atomic
from port.distributed.alone import Alone
from port.scoring.metrics import Scores, fast_hist, ratio

DRAWS, SHARE, AT_ONCE = 2000, 0.95, 50


def mean_ius(hists: np.ndarray) -> np.ndarray:
    """Return the mean IU of each histogram of ... x n x n; NaN where nothing was counted."""
    right = np.diagonal(hists, axis1=-2, axis2=-1).astype(float)
    support = hists.sum(-1)
    iu = ratio(right, support + hists.sum(-2) - right)
    there = support > 0
    return ratio(np.where(there, iu, 0).sum(-1), there.sum(-1))


def bootstrap(hists: csr_array, draws: int = DRAWS, share: float = SHARE,
              seed: int = 0) -> tuple[float, float]:
    """Return the interval that holds a share of the mean IU of drawn lists.

    hists: a frame a row, its n x n counts one after another. Some lists at a time, as how often
    each frame is in each of them takes more memory than the counts.
    """
    frames, classes = hists.shape[0], isqrt(hists.shape[1])
    rng, found = np.random.default_rng(seed), []
    for begun in range(0, draws, AT_ONCE):
        times = rng.multinomial(frames, [1 / frames] * frames, min(AT_ONCE, draws - begun))
        drawn = (hists.T @ times.T).T
        found.append(mean_ius(drawn.reshape(-1, classes, classes)))
    rest = (1 - share) / 2
    low, high = np.nanquantile(np.concatenate(found), [rest, 1 - rest])
    return float(low), float(high)


@dataclass
class FrameScores:
    """The histogram of each frame by one head; an observer of the scoring loop.

    counts: of a frame, which places of its histogram are not zero, and their counts. Of thousands
    of frames this takes little memory: each has few of the classes.
    """

    head: str
    classes: int = 0
    counts: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def see(self, name: str, head: str, truth: np.ndarray, predicted: np.ndarray,
            classes: int) -> None:
        """Count a frame; one that is listed twice counts twice in the draws, under two names."""
        if head == self.head:
            hist = fast_hist(truth, predicted, classes).reshape(-1)
            self.classes, places = classes, np.flatnonzero(hist)
            self._take(name, places, hist[places])

    def _take(self, name: str, *counts: Any) -> None:
        while name in self.counts:
            name += '+'
        places, found = (np.array(values, np.int32) for values in counts)   # of a frame's pixels
        self.counts[name] = places, found

    def join(self, ranks: Alone) -> None:
        """Take in the frames of all ranks, in the order of the list."""
        if ranks.size == 1:
            return
        parts = ranks.gathered([(name.rstrip('+'), places.tolist(), found.tolist())
                                for name, (places, found) in self.counts.items()])
        self.counts = {}
        for name, places, found in (row for part in parts for row in part):
            self._take(name, places, found)

    def table(self) -> csr_array:
        """Return the histograms, a frame a row."""
        ends = np.cumsum([0, *(len(places) for places, _ in self.counts.values())])
        places, found = (np.concatenate(column) for column in
                         zip(*self.counts.values(), strict=True))
        return csr_array((found.astype(np.int64), places, ends),
                         shape=(len(self.counts), self.classes ** 2))

    def interval(self) -> tuple[float, float]:
        """Return where 95 % of the drawn lists' mean IU lie, as fractions."""
        return bootstrap(self.table())

    def write(self, path: Path, names: Sequence[str]) -> None:
        """Write a CSV line a frame: name, pixels that count, mean IU, the IU of each class.

        In percent; empty where the frame's truth lacks the class.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator='\n')
        table.writerow(['frame', 'pixels', 'mean IU', *names])
        for name, (places, found) in self.counts.items():
            hist = np.zeros(self.classes ** 2, np.int64)
            hist[places] = found
            scores = Scores(hist.reshape(self.classes, self.classes))
            cells = [scores.mean_iu, *scores.class_iu]
            table.writerow([name, int(hist.sum()),
                            *('' if np.isnan(v) else f'{100 * v:.2f}' for v in cells)])
        write_atomic(path, [text.getvalue().encode()])
