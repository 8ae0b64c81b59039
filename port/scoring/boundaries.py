"""How well outlines are met: IU in bands around the true boundaries, and the boundary F1.

Bands: as the trimaps of Kohli, Ladicky and Torr (IJCV 2009), which DeepLab's papers use. F1: of
each class of each frame, its outlines matched within a tolerance, as Csurka et al. (BMVC 2013).
"""

from dataclasses import dataclass, field
from math import hypot

import numpy as np
from scipy.ndimage import distance_transform_edt

from port.distributed.alone import Alone
from port.scoring.metrics import Scores, fast_hist

BANDS = (2, 4, 8, 16)
TOLERANCE = 0.0075          # of the diagonal, Csurka's


def neighbours_differ(labels: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Return which pixels of H x W have another label above, below, left or right.

    known: pixels that count; beside others nothing differs.
    """
    found = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        first, second = np.s_[:-1], np.s_[1:]
        one, two = ((first, second) if axis == 0 else
                    ((slice(None), first), (slice(None), second)))
        differs = labels[one] != labels[two]
        if known is not None:
            differs &= known[one] & known[two]
        found[one] |= differs
        found[two] |= differs
    return found


def distance_to(points: np.ndarray) -> np.ndarray:
    """Return how far each pixel is from the nearest of the points, in pixels; inf for none."""
    if not points.any():
        return np.full(points.shape, np.inf)
    return distance_transform_edt(~points)


def outline_f1(truth: np.ndarray, predicted: np.ndarray, known: np.ndarray,
               tolerance: float) -> float:
    """Return F1 of two masks' outlines, NaN where neither has one; each H x W, bool.

    A pixel of an outline is met if the other outline comes within the tolerance, in pixels.
    """
    true_edge = truth & neighbours_differ(truth, known)
    mine = predicted & neighbours_differ(predicted, known)
    if not true_edge.any() and not mine.any():
        return float('nan')
    if not true_edge.any() or not mine.any():
        return 0.0
    precision = (distance_to(true_edge)[mine] <= tolerance).mean()
    recall = (distance_to(mine)[true_edge] <= tolerance).mean()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def class_f1(truth: np.ndarray, predicted: np.ndarray, classes: int,
             tolerance: float) -> np.ndarray:
    """Return the F1 of each class of a frame, NaN where it has no outline."""
    known = (truth >= 0) & (truth < classes)
    return np.array([outline_f1((truth == c) & known, (predicted == c) & known, known, tolerance)
                     for c in range(classes)])


@dataclass
class BoundaryScores:
    """Counts in bands, and the F1 of frames; an observer of the scoring loop.

    bands: pixels on each side of a boundary. A boundary is wherever the true label changes, to
    void too, which lies along outlines; void itself is not scored. tolerance: in pixels, or None
    for 0.75 % of the diagonal.
    """

    head: str
    bands: tuple[int, ...] = BANDS
    tolerance: float | None = None
    hists: dict[int, np.ndarray] = field(default_factory=dict)
    f1: list[np.ndarray] = field(default_factory=list)

    def see(self, name: str, head: str, truth: np.ndarray, predicted: np.ndarray,
            classes: int) -> None:
        """Count a frame, H x W labels."""
        if head != self.head:
            return
        away = distance_to(neighbours_differ(truth))
        for width in self.bands:
            inside = away < width
            hist = fast_hist(truth[inside], predicted[inside], classes)
            self.hists[width] = self.hists.get(width, 0) + hist
        self.f1.append(class_f1(truth, predicted, classes, self.pixels(truth.shape)))

    def join(self, ranks: Alone) -> None:
        """Take in the frames of all ranks, in the order of the list."""
        if ranks.size == 1:
            return
        mine = ([hist.tolist() for hist in self.hists.values()], [f1.tolist() for f1 in self.f1])
        parts = ranks.gathered(mine)
        for i, width in enumerate(self.hists):
            self.hists[width] = np.array([hists[i] for hists, _ in parts], np.int64).sum(0)
        self.f1 = [np.array(f1) for _, rows in parts for f1 in rows]

    def pixels(self, shape: tuple[int, ...]) -> float:
        """Return the tolerance for a frame of this size."""
        return TOLERANCE * hypot(*shape) if self.tolerance is None else self.tolerance

    def band_iu(self) -> dict[int, float]:
        """Return mean IU inside each band."""
        return {width: Scores(hist).mean_iu for width, hist in self.hists.items()}

    def mean_f1(self) -> float:
        """Return the mean over frames of the mean over the frame's classes."""
        frames = [f1[~np.isnan(f1)].mean() for f1 in self.f1 if not np.isnan(f1).all()]
        return float(np.mean(frames)) if frames else float('nan')

    def mean_class_f1(self) -> np.ndarray:
        """Return each class's mean over the frames where it has an outline; NaN where in none."""
        table = np.array(self.f1)
        there = ~np.isnan(table)
        total = np.where(there, table, 0).sum(0)
        return np.divide(total, there.sum(0), out=np.full(table.shape[1], np.nan),
                         where=there.any(0))
