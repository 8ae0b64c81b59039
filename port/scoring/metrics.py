"""Scores of a segmentation: the histogram, the paper's four metrics, the per-class table.

Metrics as FCN (PAMI 2017, section 5): n_ij pixels of class i predicted as j, t_i of class i.
Means are taken over the classes that occur in the truth (SIFT Flow's footnote); the published
score.py differs there: a class that is only predicted enters its mean IU as 0.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

METRICS = ('pixel accuracy', 'mean accuracy', 'mean IU', 'f.w. IU')


def fast_hist(a: np.ndarray, b: np.ndarray, n: int) -> np.ndarray:
    """Count pairs of truth `a` and prediction `b`, n x n int64: row truth, column prediction.

    Pixels whose truth lies outside [0, n) are left out. ValueError where a prediction does.
    """
    a, b = np.asarray(a).reshape(-1), np.asarray(b).reshape(-1)
    if a.shape != b.shape:
        raise ValueError(f'truth has {a.size} pixels but the prediction {b.size}')
    known = (a >= 0) & (a < n)
    truth, predicted = a[known].astype(np.int64), b[known].astype(np.int64)
    if predicted.size and not 0 <= predicted.min() <= predicted.max() < n:
        raise ValueError(f'a prediction lies outside the {n} classes: '
                         f'{predicted.min()}..{predicted.max()}')
    return np.bincount(n * truth + predicted, minlength=n * n).reshape(n, n)


def ratio(over: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Divide, giving NaN where nothing was counted."""
    return np.divide(over, under, out=np.full(np.shape(over), np.nan), where=np.asarray(under) > 0)


def mean(values: np.ndarray) -> float:
    """Average what is not NaN; NaN where nothing is left."""
    counted = values[~np.isnan(values)]
    return float(counted.mean()) if counted.size else float('nan')


@dataclass(frozen=True, eq=False)
class Scores:
    """The metrics of one histogram, as fractions; `names` label the classes."""

    hist: np.ndarray
    names: tuple[str, ...] = ()
    loss: float | None = None

    def __post_init__(self) -> None:
        hist = np.asarray(self.hist, dtype=np.float64)
        if hist.ndim != 2 or hist.shape[0] != hist.shape[1]:
            raise ValueError(f'a histogram is classes x classes, got shape {hist.shape}')
        names = tuple(self.names) or tuple(str(i) for i in range(len(hist)))
        if len(names) != len(hist):
            raise ValueError(f'{len(names)} class names for a histogram of {len(hist)} classes')
        object.__setattr__(self, 'hist', hist)
        object.__setattr__(self, 'names', names)

    @property
    def support(self) -> np.ndarray:
        """t_i: pixels of each class in the truth."""
        return self.hist.sum(1)

    @property
    def class_acc(self) -> np.ndarray:
        """n_ii / t_i of each class, NaN where it does not occur."""
        return ratio(np.diag(self.hist), self.support)

    @property
    def class_iu(self) -> np.ndarray:
        """n_ii / (t_i + sum_j n_ji - n_ii) of each class, NaN where the truth lacks it."""
        right = np.diag(self.hist)
        iu = ratio(right, self.support + self.hist.sum(0) - right)
        return np.where(self.support > 0, iu, np.nan)

    @property
    def pixel_acc(self) -> float:
        """sum_i n_ii / sum_i t_i."""
        return float(ratio(np.diag(self.hist).sum(), self.hist.sum()))

    @property
    def mean_acc(self) -> float:
        """(1 / n_cl) sum_i n_ii / t_i."""
        return mean(self.class_acc)

    @property
    def mean_iu(self) -> float:
        """(1 / n_cl) sum_i n_ii / (t_i + sum_j n_ji - n_ii)."""
        return mean(self.class_iu)

    @property
    def fw_iu(self) -> float:
        """(1 / sum_k t_k) sum_i t_i IU_i."""
        weighted = np.where(self.support > 0, self.support * np.nan_to_num(self.class_iu), 0)
        return float(ratio(weighted.sum(), self.hist.sum()))

    @property
    def metrics(self) -> dict[str, float]:
        """The four metrics in the order of the paper's tables."""
        four = (self.pixel_acc, self.mean_acc, self.mean_iu, self.fw_iu)
        return dict(zip(METRICS, four, strict=True))

    def text(self) -> str:
        """Write the metrics and the classes as a table of plain text, in percent."""
        wide = max(len(name) for name in (*self.names, 'class'))
        lines = [f'{name:<15} {percent(value):>6}' for name, value in self.metrics.items()]
        lines += ['', f'{"class":<{wide}} {"IU":>6} {"acc":>6} {"pixels":>12}']
        lines += [f'{name:<{wide}} {percent(iu):>6} {percent(acc):>6} {int(pixels):>12,}'
                  for name, iu, acc, pixels in self._rows()]
        return '\n'.join(lines)

    def markdown(self) -> str:
        """Write the metrics and the classes as two Markdown tables, in percent."""
        lines = ['| ' + ' | '.join(self.metrics) + ' |', '|---' * 4 + '|',
                 '| ' + ' | '.join(percent(v) for v in self.metrics.values()) + ' |', '',
                 '| class | IU | accuracy | pixels |', '|---|---|---|---|']
        lines += [f'| {name} | {percent(iu)} | {percent(acc)} | {int(pixels):,} |'
                  for name, iu, acc, pixels in self._rows()]
        return '\n'.join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Give everything in plain values for JSON; None where a class does not occur."""
        rows = [{'class': name, 'iu': plain(iu), 'accuracy': plain(acc), 'pixels': int(pixels)}
                for name, iu, acc, pixels in self._rows()]
        return {**{key.replace('.', '').replace(' ', '_'): plain(value)
                   for key, value in self.metrics.items()},
                'loss': plain(self.loss), 'classes': rows,
                'hist': self.hist.astype(np.int64).tolist()}

    def json(self) -> str:
        """Write `as_dict` as JSON."""
        return json.dumps(self.as_dict(), indent=2)

    def _rows(self) -> list[tuple[str, float, float, float]]:
        return list(zip(self.names, self.class_iu, self.class_acc, self.support, strict=True))


def percent(value: float) -> str:
    """Write a fraction as percent with two digits, a dash for NaN."""
    return '-' if np.isnan(value) else f'{100 * value:.2f}'


def plain(value: float | None) -> float | None:
    """Give a number that JSON can hold, None for NaN and infinity."""
    return None if value is None or not np.isfinite(value) else float(value)


def largest(scores: Any, axis: int = 0) -> np.ndarray:
    """Return the class of the largest score, the first of equal ones, of an array or a tensor.

    On a CPU torch's max finds it in a third of the time of its argmax.
    """
    if isinstance(scores, np.ndarray):
        return scores.argmax(axis)
    return host(scores.max(axis).indices)


def host(values: Any) -> np.ndarray:
    """Give a numpy array of an array or a tensor on any device."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()
