"""What a scoring tells of its frames: the IU of each, and how far mean IU may lie off by chance.

The bootstrap (Efron 1979) draws as many frames as there are, with replacement, again and again, and
scores each draw by its summed histogram, as the paper scores the list.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from netspec.schema import write_atomic
from port.distributed.alone import Alone
from port.scoring.metrics import Scores, fast_hist, ratio

DRAWS, SHARE = 2000, 0.95


def mean_ius(hists: np.ndarray) -> np.ndarray:
    """Return the mean IU of each histogram of ... x n x n; NaN where nothing was counted."""
    right = np.diagonal(hists, axis1=-2, axis2=-1).astype(float)
    support = hists.sum(-1)
    iu = ratio(right, support + hists.sum(-2) - right)
    there = support > 0
    return ratio(np.where(there, iu, 0).sum(-1), there.sum(-1))


def bootstrap(hists: np.ndarray, draws: int = DRAWS, share: float = SHARE,
              seed: int = 0) -> tuple[float, float]:
    """Return the interval that holds a share of the mean IU of drawn lists; hists: F x n x n."""
    frames, classes = hists.shape[:2]
    times = np.random.default_rng(seed).multinomial(frames, [1 / frames] * frames, draws)
    drawn = (times @ hists.reshape(frames, -1)).reshape(draws, classes, classes)
    rest = (1 - share) / 2
    low, high = np.nanquantile(mean_ius(drawn), [rest, 1 - rest])
    return float(low), float(high)


@dataclass
class FrameScores:
    """The histogram of each frame by one head; an observer of the scoring loop."""

    head: str
    hists: dict[str, np.ndarray] = field(default_factory=dict)

    def see(self, name: str, head: str, truth: np.ndarray, predicted: np.ndarray,
            classes: int) -> None:
        """Count a frame; one that is listed twice counts twice in the draws, under two names."""
        if head == self.head:
            while name in self.hists:
                name += '+'
            self.hists[name] = fast_hist(truth, predicted, classes)

    def join(self, ranks: Alone) -> None:
        """Take in the frames of all ranks, in the order of the list."""
        parts = ranks.gathered([(name.rstrip('+'), hist.tolist())
                                for name, hist in self.hists.items()]) if ranks.size > 1 else []
        if parts:
            self.hists = {}
        for name, hist in (row for part in parts for row in part):
            while name in self.hists:
                name += '+'
            self.hists[name] = np.array(hist, np.int64)

    def interval(self) -> tuple[float, float]:
        """Return where 95 % of the drawn lists' mean IU lie, as fractions."""
        return bootstrap(np.stack(list(self.hists.values())))

    def write(self, path: Path, names: Sequence[str]) -> None:
        """Write a CSV line a frame: name, pixels that count, mean IU, the IU of each class.

        In percent; empty where the frame's truth lacks the class.
        """
        text = io.StringIO()
        table = csv.writer(text, lineterminator='\n')
        table.writerow(['frame', 'pixels', 'mean IU', *names])
        for name, hist in self.hists.items():
            scores = Scores(hist)
            cells = [scores.mean_iu, *scores.class_iu]
            table.writerow([name, int(hist.sum()),
                            *('' if np.isnan(v) else f'{100 * v:.2f}' for v in cells)])
        write_atomic(path, [text.getvalue().encode()])
