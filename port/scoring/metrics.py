"""Scores of a segmentation: the histogram, the paper's four metrics, the per-class table.

Metrics as FCN (PAMI 2017, section 5): n_ij pixels of class i predicted as j, t_i of class i.
Means are taken over the classes that occur in the truth (SIFT Flow's footnote); the published
score.py differs there: a class that is only predicted enters its mean IU as 0.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from port.data.label_pictures import write_label

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


def host(values: Any) -> np.ndarray:
    """Give a numpy array of an array or a tensor on any device."""
    return values if isinstance(values, np.ndarray) else values.detach().cpu().numpy()


def blob_of(net: Any, name: str) -> Any:
    """Find a blob, or raise with the names of those there are."""
    if name not in net.blobs:
        raise KeyError(f"the net has no blob '{name}'; it has: {', '.join(net.blobs)}")
    return net.blobs[name]


def compute_hist(net: Any, save_dir: str | None, dataset: Sequence[str], layer: str = 'score',
                 gt: str = 'label', loss: str = 'loss',
                 each: Callable[[str], None] | None = None) -> tuple[np.ndarray, float]:
    """Run a net once for each name of the data set; give the histogram and the mean loss.

    `save_dir` receives the predictions as NAME.png; `each` is called with every name (progress).
    """
    names = [str(name) for name in dataset]
    if not names:
        raise ValueError('the data set to score is empty')
    if save_dir:
        Path(save_dir).mkdir(parents=True, exist_ok=True)
    classes = blob_of(net, layer).data.shape[1]
    blob_of(net, gt)
    hist, total = np.zeros((classes, classes), dtype=np.int64), 0.0
    for name in names:
        net.forward()
        predicted = host(net.blobs[layer].data[0].argmax(0))
        hist += fast_hist(host(net.blobs[gt].data[0, 0]), predicted, classes)
        if save_dir:
            write_label(Path(save_dir, f'{name}.png'), predicted)
        if loss in net.blobs:
            total += float(host(net.blobs[loss].data).flat[0])
        if each:
            each(name)
    return hist, total / len(names) if loss in net.blobs else float('nan')


def seg_tests(solver: Any, save_format: str | None, dataset: Sequence[str], layer: str = 'score',
              gt: str = 'label', log: Callable[[str], object] = print) -> np.ndarray:
    """Score a solver's first test net with the weights that it trains.

    `log` receives the lines that the published driver scripts print; they rely on seeing them.
    """
    log(f'>>> {datetime.now()} Begin seg tests')
    solver.test_nets[0].share_with(solver.net)
    return do_seg_tests(solver.test_nets[0], solver.iter, save_format, dataset, layer, gt, log)


def do_seg_tests(net: Any, iter: int, save_format: str | None, dataset: Sequence[str],
                 layer: str = 'score', gt: str = 'label',
                 log: Callable[[str], object] = print) -> np.ndarray:
    """Score a net, log the loss and the four metrics, and give the histogram."""
    save_dir = save_format.format(iter) if save_format else None
    hist, loss = compute_hist(net, save_dir, dataset, layer, gt)
    scores = Scores(hist, loss=loss)
    figures = {'loss': loss, 'overall accuracy': scores.pixel_acc,
               'mean accuracy': scores.mean_acc, 'mean IU': scores.mean_iu,
               'fwavacc': scores.fw_iu}
    for name, value in figures.items():
        log(f'>>> {datetime.now()} Iteration {iter} {name} {value}')
    return hist
