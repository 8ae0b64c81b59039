"""Two lists of images side by side: their sizes, brightness and class shares.

What a figure on one list says of the other hangs on how alike they are.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from port.data.check_dataset import open_split
from port.data.datasets import find_dataset
from port.data.readers import read_rgb
from port.data.seg_layer import SegDataLayer, size_of

Walk = Callable[[Sequence[int]], Iterable[int]]
LUMA = np.array([0.299, 0.587, 0.114])      # of red, green, blue: ITU-R BT.601
RANGE = (5, 50, 95)                         # percentiles of the frames' brightness


@dataclass
class ListSurvey:
    """What was counted of a list. pixels: by class; frames: that show the class."""

    title: str
    names: tuple[str, ...]
    listed: tuple[str, ...] = ()
    pixels: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    frames: np.ndarray = field(default_factory=lambda: np.zeros(0, int))
    void: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    brightness: list[float] = field(default_factory=list)
    contrast: list[float] = field(default_factory=list)

    @property
    def shares(self) -> np.ndarray:
        """The share of each class in the pixels that have one."""
        return self.pixels / max(1, self.pixels.sum())

    def as_dict(self) -> dict[str, Any]:
        """Give everything in plain values for JSON."""
        return {'list': self.title, 'images': len(self.listed), 'sizes': dict(self.sizes),
                'brightness': dict(zip(map(str, RANGE), self.spread(), strict=True)),
                'contrast': float(np.mean(self.contrast)),
                'void': self.void / max(1, self.void + int(self.pixels.sum())),
                'classes': [{'class': name, 'share': float(share), 'frames': int(count)}
                            for name, share, count in
                            zip(self.names, self.shares, self.frames, strict=True)]}

    def spread(self) -> list[float]:
        """Return the brightness below which 5, 50 and 95 % of the frames lie, 0 to 255."""
        return [float(v) for v in np.percentile(self.brightness, RANGE)]


def open_list(given: str, data: str | Path) -> SegDataLayer:
    """Open NAME:SPLIT, a dataset's list; ValueError, KeyError or FileNotFoundError says why not."""
    name, sep, split = given.rpartition(':')
    if not sep or not split:
        raise ValueError(f'{given!r} names no list; expected DATASET:LIST, such as camvid:val')
    layer = open_split(find_dataset(name), Path(data), split)
    layer.indices, layer.lines = layer.read_list()
    return layer


def survey_list(title: str, layer: SegDataLayer, walk: Walk = iter) -> ListSurvey:
    """Read every image of a list and its (first) labels."""
    names = layer.class_names
    found = ListSurvey(title, names, tuple(layer.indices), np.zeros(len(names), int),
                       np.zeros(len(names), int))
    for index in walk(range(len(layer.indices))):
        images = layer.load(index)
        label = next(array for array in images if array.dtype == np.uint8)
        counts = np.bincount(label.reshape(-1), minlength=256)
        found.pixels += counts[:len(names)]
        found.frames += counts[:len(names)] > 0
        found.void += int(counts[len(names):].sum())
        found.sizes[size_of(label)] += 1
        luma = read_rgb(layer.files(layer.indices[index])[layer.tops[0]]) @ LUMA
        found.brightness.append(float(luma.mean()))
        found.contrast.append(float(luma.std()))
    return found


def shared_names(one: ListSurvey, other: ListSurvey) -> list[str]:
    """Return the names that stand in both lists."""
    return sorted(set(one.listed) & set(other.listed))


def side_by_side(one: ListSurvey, other: ListSurvey) -> str:
    """Write both as a table of plain text; shares in percent of the pixels that have a class."""
    both = (one, other)
    wide = max(18, *(len(name) for name in one.names))
    cell = max(12, *(len(s.title) for s in both))

    def line(what: str, *cells: str) -> str:
        return f'{what:<{wide}} ' + ' '.join(f'{text:>{cell}}' for text in cells)

    lines = [line('', *(s.title for s in both)),
             line('images', *(f'{len(s.listed):,}' for s in both)),
             line('in both', f'{len(shared_names(one, other)):,}'),
             line('commonest size', *(s.sizes.most_common(1)[0][0] for s in both)),
             line('sizes', *(f'{len(s.sizes)}' for s in both))]
    lines += [line(f'brightness, {p}%', *(f'{s.spread()[i]:.1f}' for s in both))
              for i, p in enumerate(RANGE)]
    lines += [line('contrast', *(f'{np.mean(s.contrast):.1f}' for s in both)),
              line('void', *(f'{100 * s.as_dict()["void"]:.2f}' for s in both)), '',
              line('share of', *(s.title for s in both), 'second/first', 'frames', 'frames')]
    for i, name in enumerate(one.names):
        shares = [100 * float(s.shares[i]) for s in both]
        times = f'{shares[1] / shares[0]:.2f}' if shares[0] else '-'
        lines.append(line(name, *(f'{share:.2f}' for share in shares), times,
                          *(f'{s.frames[i] / len(s.listed):.0%}' for s in both)))
    return '\n'.join(lines)


def compare_lists(first: str, second: str, data: str | Path,
                  progress: Callable[[str], Walk] = lambda title: iter
                  ) -> tuple[ListSurvey, ListSurvey]:
    """Survey two lists; ValueError where their classes differ."""
    layers = {title: open_list(title, data) for title in (first, second)}
    if layers[first].class_names != layers[second].class_names:
        raise ValueError(f'{first} and {second} have different classes: compare lists of one '
                         'labelling')
    one, other = (survey_list(t, layers[t], progress(t)) for t in (first, second))
    return one, other
