"""Hold two models against each other on the same pictures: scores, labels, mean IU of one against
the other; as a table, as JSON and as a page with the pictures where they differ most.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from port.data import html_page
from port.data.label_pictures import color_seg, make_palette, write_beside
from port.data.readers import read_rgb
from port.scoring.executors import Executor, planes_of
from port.scoring.metrics import fast_hist, mean, ratio

LARGEST, AGREE = 1e-4, 0.9999     # of the largest score; share of pixels
# Four pictures side by side, or two and two where the window is narrow.
FOUR = ('.trio { grid-template-columns: repeat(auto-fit, minmax(min(14rem, 45%), 1fr)) } '
        '.trio :first-child { grid-column: auto !important }')


@dataclass(frozen=True)
class Difference:
    """One picture. Differences are None where a model gives labels and no scores.

    largest: the largest score of A. agreement: share of pixels of the same label. mean_iu: of B's
    labels with A's as the truth, over the classes that either has.
    """

    picture: str
    size: tuple[int, int]
    max_diff: float | None
    mean_diff: float | None
    largest: float | None
    agreement: float
    mean_iu: float


@dataclass
class Comparison:
    """All pictures, and A against B over all of their pixels."""

    a: str
    b: str
    rows: list[Difference] = field(default_factory=list)
    hist: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.int64))

    @property
    def worst(self) -> list[Difference]:
        """Return the rows in order of disagreement, the worst first."""
        return sorted(self.rows, key=lambda r: (r.agreement, -(r.max_diff or 0)))

    @property
    def total(self) -> dict[str, float | None]:
        """Return the figures over all pictures; relative: to the largest score of all."""
        found: dict[str, float | None] = {'pictures': len(self.rows), 'max_diff': None,
                                          'relative': None, 'mean_diff': None}
        scored = [(r.max_diff, r.largest or 0.0, r.mean_diff or 0.0, r.size[0] * r.size[1])
                  for r in self.rows if r.max_diff is not None]
        if scored:
            diffs, peaks, means, areas = zip(*scored, strict=True)
            found |= {'max_diff': max(diffs), 'relative': max(diffs) / max(*peaks, 1e-30),
                      'mean_diff': float(np.average(means, weights=areas))}
        return found | {'agreement': float(ratio(np.trace(self.hist), self.hist.sum())),
                        'mean_iu': mean_iu(self.hist)}

    def as_dict(self) -> dict[str, Any]:
        """Return everything as plain numbers."""
        return {'a': self.a, 'b': self.b, 'total': self.total,
                'pictures': [asdict(row) for row in self.rows]}


def mean_iu(hist: np.ndarray) -> float:
    """Return the mean IU over the classes that either side has."""
    right = np.diag(hist)
    return mean(ratio(right, hist.sum(0) + hist.sum(1) - right))


def compare(a: Executor, b: Executor, paths: Sequence[Path], subtract: np.ndarray,
            each: Callable[[Difference], object] = lambda row: None) -> Comparison:
    """Run both on every picture; call `each` with every row. `subtract`: the mean, BGR."""
    result = Comparison(a.label, b.label)
    for path in paths:
        rgb = read_rgb(path, upright=True)
        data = planes_of(rgb, subtract)
        row, hist = measure(str(path), a.run(rgb, data), b.run(rgb, data), (a.label, b.label))
        result.rows.append(row)
        result.hist = _added(result.hist, hist)
        each(row)
    return result


def measure(picture: str, one: np.ndarray, other: np.ndarray,
            labels: tuple[str, str] = ('A', 'B')) -> tuple[Difference, np.ndarray]:
    """Return the row of a picture's scores or labels, and the histogram of A's and B's labels."""
    if one.shape[-2:] != other.shape[-2:] or (one.ndim == other.ndim == 3
                                              and len(one) != len(other)):
        raise ValueError(f'{picture}: {labels[0]} gives {list(one.shape)}, {labels[1]} '
                         f'{list(other.shape)}; expected equal classes, height and width')
    max_diff = mean_diff = largest = None
    if one.ndim == other.ndim == 3:
        diff = np.abs(one.astype(np.float64) - other)
        max_diff, mean_diff, largest = float(diff.max()), float(diff.mean()), float(
            np.abs(one).max())
    mine, theirs = labels_of(one), labels_of(other)
    count = 1 + max(int(mine.max()), int(theirs.max()), *(len(v) - 1 for v in (one, other)
                                                         if v.ndim == 3))
    hist = fast_hist(mine, theirs, count)
    return Difference(picture, mine.shape, max_diff, mean_diff, largest,
                      float((mine == theirs).mean()), mean_iu(hist)), hist


def labels_of(found: np.ndarray) -> np.ndarray:
    """Return the labels, H x W, of scores or labels."""
    return found.argmax(0) if found.ndim == 3 else found


def agree(result: Comparison) -> bool:
    """Whether all scores are within 1e-4 of the largest and 99.99 % of the labels are equal."""
    total = result.total
    return (total['relative'] or 0) <= LARGEST and (total['agreement'] or 0) >= AGREE


def _added(total: np.ndarray, hist: np.ndarray) -> np.ndarray:
    """Add histograms of which one may know fewer classes."""
    size = max(len(total), len(hist))
    out = np.zeros((size, size), np.int64)
    for part in (total, hist):
        out[:len(part), :len(part)] += part
    return out


# -- as text, JSON and a page ----------------------------------------------------------------------

def table(result: Comparison, worst: int = 10) -> str:
    """Return the worst pictures and the totals as text."""
    heads = ('picture', 'size', 'largest diff', 'mean diff', 'agreement', 'mean IU')
    total = result.total
    rows = [(Path(r.picture).name, f'{r.size[0]}x{r.size[1]}', *_figures(asdict(r)))
            for r in result.worst[:worst]]
    rows.append((f'all {total["pictures"]}', '', *_figures(total)))
    widths = [max(len(row[i]) for row in [heads, *rows]) for i in range(len(heads))]
    lines = ['  '.join(c.ljust(w) if i == 0 else c.rjust(w)
                       for i, (c, w) in enumerate(zip(row, widths, strict=True)))
             for row in [heads, *rows]]
    rule = '-' * max(map(len, lines))
    relative = total['relative']
    tail = '' if relative is None else f'largest difference: {relative:.2e} of the largest score'
    return '\n'.join([lines[0], rule, *lines[1:-1], rule, lines[-1], *([tail] if tail else [])])


def _figures(of: dict[str, Any]) -> tuple[str, str, str, str]:
    """Return differences, agreement and mean IU as they are printed."""
    diffs = ['-' if of[key] is None else f'{of[key]:.2e}' for key in ('max_diff', 'mean_diff')]
    return diffs[0], diffs[1], f'{100 * of["agreement"]:.3f} %', f'{100 * of["mean_iu"]:.2f}'


def write_page(result: Comparison, a: Executor, b: Executor, subtract: np.ndarray,
               path: str | Path, worst: int = 6) -> None:
    """Write a page of one file: the table, and the worst pictures with both labellings."""
    title = 'Two models on the same pictures'
    shown = ''.join(_picture(row, a, b, subtract) for row in result.worst[:worst])
    body = (f'<h1>{title}</h1><p>A: <code>{html.escape(result.a)}</code><br>'
            f'B: <code>{html.escape(result.b)}</code></p>{_html_table(result)}'
            f'<h2>Where they differ most</h2>{shown}')
    page = html_page.document(title, body, FOUR)
    write_beside(path, lambda p: p.write_text(page, encoding='utf-8'))


def _html_table(result: Comparison) -> str:
    rows = [[r.picture, f'{r.size[0]} × {r.size[1]}', *_figures(asdict(r))] for r in result.worst]
    rows.insert(0, [f'all {len(result.rows)}', '', *_figures(result.total)])
    heads = ('picture', 'size', 'largest difference', 'mean difference', 'agreement', 'mean IU')
    return html_page.table('B against A, the worst pictures first', heads, rows, [True])


def _picture(row: Difference, a: Executor, b: Executor, subtract: np.ndarray) -> str:
    """Return picture, labels of A and of B, and the pixels that differ, in red."""
    rgb = read_rgb(Path(row.picture), upright=True)
    data = planes_of(rgb, subtract)
    names = a.names or b.names
    palette = next((p for p in (a.palette, b.palette) if p is not None), make_palette(256))
    mine, theirs = labels_of(a.run(rgb, data)), labels_of(b.run(rgb, data))
    grey = np.repeat(rgb.mean(2, keepdims=True) / 2 + 96, 3, 2).astype(np.uint8)
    grey[mine != theirs] = (220, 0, 0)
    differ = f'{100 * (1 - row.agreement):.3f} % differ'
    shown = html_page.picture(rgb, f'The picture {row.picture}', 'picture', photo=True)
    for name, labels in (('A', mine), ('B', theirs)):
        shown += html_page.picture(
            color_seg(labels, palette),
            f'Labels of {name}: {html_page.described(labels, names)}', name)
    shown += html_page.picture(grey, f'Where they differ, in red: {differ}', differ)
    legend = html_page.legend_list(palette, names, A=mine, B=theirs)
    return f'<h3>{html.escape(row.picture)}</h3>\n<div class="trio">{shown}</div>{legend}\n'
