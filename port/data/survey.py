"""A user's own dataset: pair images with labels, check every pair, count, split, write.

What the original's users asked for most: labels that are colours, masks of 0 and 255, names that
do not match, classes out of range are each found here, before a net sees them.
"""

import json
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from netspec.generate import contents, snapshots
from netspec.named_net import ROW_FILE, row_of
from netspec.own_dataset import data_params
from netspec.schema import read_json, write_atomic
from port.data.folder import IMAGE_TYPES, LABEL_TYPES
from port.data.readers import LabelValues, read_index, read_rgb

Pair = tuple[str, Path, Path]
Progress = Callable[[Sequence[Pair]], Iterable[Pair]]


@dataclass
class Survey:
    """What the images and labels hold: counts of each label, sums of colours, problems."""

    classes: tuple[str, ...]
    ignore_label: int
    names: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    sums: dict[str, np.ndarray] = field(default_factory=dict)     # name: sum of B, G, R
    pixels: dict[str, np.ndarray] = field(default_factory=dict)   # name: count of each label

    def counts(self, names: Iterable[str]) -> np.ndarray:
        """Return the pixels of each of the 256 label values in some images."""
        return sum((self.pixels[name] for name in names), np.zeros(256, np.int64))

    def mean(self, names: Sequence[str]) -> tuple[float, float, float]:
        """Return the mean pixel of some images, blue green red."""
        total = sum((self.sums[name] for name in names), np.zeros(3))
        count = sum(int(self.pixels[name].sum()) for name in names)
        blue, green, red = (round(float(v), 3) for v in total / count)
        return blue, green, red

    @property
    def image_pixels(self) -> float:
        """Mean number of pixels of an image."""
        return float(np.mean([counts.sum() for counts in self.pixels.values()]))


def pair_up(images: Path, labels: Path, suffix: str = '') -> tuple[list[Pair], list[str]]:
    """Match images and labels by name; return the pairs, and a line for each unmatched file.

    Two files of one name are reported too. One folder may lie within the other; what the inner one
    holds then belongs to it alone.
    """
    pictures = _files(images, IMAGE_TYPES, labels)
    found = _files(labels, LABEL_TYPES, images)
    marks = {name.removesuffix(suffix): paths for name, paths in found.items()
             if name.endswith(suffix)}
    together = images.resolve() == labels.resolve()
    if suffix and together:
        pictures = {n: paths for n, paths in pictures.items() if not n.endswith(suffix)}
        if not pictures:
            raise FileNotFoundError(f'{images}: holds no images beside labels in {suffix!r}')
    pairs = [(name, paths[0], marks[name][0]) for name, paths in pictures.items() if name in marks]
    if not pairs:
        example = (next(iter(pictures)), next(iter(found)))
        raise ValueError(f'no image in {images} has a label of its name in {labels}: for example '
                         f'{example[0]!r} and {example[1]!r}; give the same names, or '
                         '--label-suffix for what the labels have more')
    alone = [f'{paths[0]}: no label {name}{suffix}.png in {labels}'
             for name, paths in pictures.items() if name not in marks]
    alone += [f'{paths[0]}: no image {name} in {images}'
              for name, paths in marks.items() if name not in pictures]
    remedy = 'keep one' if suffix or not together else (
        'labels in the folder of the images need an ending, as _mask, and --label-suffix')
    alone += [f'{" and ".join(map(str, paths))}: {kind} of one name; {remedy}'
              for kind, files in (('images', pictures), ('labels', marks))
              for paths in files.values() if len(paths) > 1]
    return pairs, alone


def _files(folder: Path, types: tuple[str, ...], other: Path) -> dict[str, list[Path]]:
    if not folder.is_dir():
        raise FileNotFoundError(f'{folder}: no such folder')
    paths = [p for p in sorted(folder.rglob('*')) if p.suffix.lower() in types]
    if folder.resolve() in other.resolve().parents:
        inner = folder / other.resolve().relative_to(folder.resolve())
        paths = [p for p in paths if inner not in p.parents]
    if not paths:
        raise FileNotFoundError(f'{folder}: holds no files of the types {", ".join(types)}')
    files: dict[str, list[Path]] = {}
    for path in paths:
        files.setdefault(str(path.relative_to(folder).with_suffix('')), []).append(path)
    return files


def survey(pairs: Sequence[Pair], classes: tuple[str, ...], ignore_label: int,
           progress: Progress = iter) -> Survey:
    """Open every pair and count its labels; a pair with a problem is reported in one line and not
    counted.
    """
    result = Survey(classes, ignore_label)
    values = LabelValues.classes(len(classes), ignore_label)
    for name, image, label in progress(pairs):
        try:
            pixels, index = read_rgb(image), read_index(label)
            if pixels.shape[:2] != index.shape:
                raise ValueError(f'{label} is {index.shape[1]}x{index.shape[0]} but {image} is '
                                 f'{pixels.shape[1]}x{pixels.shape[0]} (width x height)')
            index = values.apply(index, label)
        except (OSError, ValueError) as error:
            result.problems.append(_explained(str(error), label))
            continue
        result.names.append(name)
        result.sums[name] = pixels.reshape(-1, 3).sum(0, dtype=np.int64)[::-1]
        result.pixels[name] = np.bincount(index.reshape(-1), minlength=256)
    _check_masks(result)
    return result


def _explained(problem: str, label: Path) -> str:
    """Add the likely cause to a label that is out of range."""
    if 'outside the classes' not in problem:
        return problem
    present = set(np.unique(read_index(label)).tolist())
    if present <= {0, 255}:
        return f'{problem}; a mask of 0 and 255: make it 0 and 1 (`fcn data colours` with a table)'
    return problem


def _check_masks(result: Survey) -> None:
    """Refuse labels that hold only 0 and the ignored 255: masks, not classes."""
    present = np.flatnonzero(result.counts(result.names)).tolist()
    if len(result.classes) > 1 and present == [0, result.ignore_label]:
        result.problems.append(
            f'all labels hold only 0 and {result.ignore_label}, which is ignored, so there is '
            'nothing to learn: are they masks of 0 and 255? make them 0 and 1, or name another '
            '--ignore-label')


def split(names: Sequence[str], val_share: float, seed: int) -> dict[str, list[str]]:
    """Deal the names into train and val, at random by the seed; each gets one at least."""
    if len(names) < 2:
        raise ValueError(f'{len(names)} usable pair(s); at least 2 are needed, one to train on '
                         'and one to score')
    if not 0 < val_share < 1:
        raise ValueError(f'--val-share {val_share:g}: expected a share between 0 and 1')
    dealt = sorted(names)
    random.Random(seed).shuffle(dealt)
    count = min(max(1, round(val_share * len(dealt))), len(dealt) - 1)
    return {'train': sorted(dealt[count:]), 'val': sorted(dealt[:count])}


def absent(result: Survey, parts: dict[str, list[str]]) -> list[str]:
    """Say of which classes a part has no pixel: they cannot be learnt, or not be scored."""
    lines = []
    for part, names in parts.items():
        counts = result.counts(names)
        lacking = [name for i, name in enumerate(result.classes) if not counts[i]]
        if lacking:
            effect = 'cannot be learnt' if part == 'train' else 'will not be scored'
            lines.append(f'{part}: no pixel of {", ".join(lacking)}; such a class {effect}')
    return lines


def describe(name: str, result: Survey, parts: dict[str, list[str]], **more: Any) -> dict[str, Any]:
    """Return what dataset.json holds: everything that the row is made of."""
    return {'name': name, 'classes': list(result.classes), 'mean': result.mean(parts['train']),
            'images_in': {part: len(names) for part, names in parts.items()},
            'ignore_label': result.ignore_label, 'pixels': result.image_pixels, **more}


def _keep_trained(out: Path, about: dict[str, Any]) -> None:
    """Raise ValueError where a net with other settings was trained in the folder."""
    path = out / ROW_FILE
    trained = snapshots(out)
    if not path.is_file() or not trained:
        return
    if read_json(path, 'note on a dataset') != json.loads(json.dumps(about)):
        raise ValueError(f'{out}: a net was trained there ({trained}) on other data or '
                         'with other settings; name another --out, or remove the folder')


def write(out: Path, about: dict[str, Any], parts: dict[str, list[str]]) -> list[Path]:
    """Write lists, class list, mean, prototxts, solver and dataset.json; return their paths."""
    row = row_of(about)
    _keep_trained(out, about)
    roots = {'images': about['images'], 'labels': about['labels'], 'lists': str(out.resolve())}
    texts = contents(row, out, data_root=roots,
                     data_params=data_params(row, about['label_suffix']))
    texts |= {out / f'{part}.txt': ''.join(f'{n}\n' for n in names)
              for part, names in parts.items()}
    texts[out / 'classes.txt'] = ''.join(f'{name}\n' for name in about['classes'])
    texts[out / 'mean.txt'] = '{} {} {}\n'.format(*about['mean'])
    texts[out / ROW_FILE] = json.dumps(about, indent=2) + '\n'
    out.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_atomic(path, [text.encode()])
    return list(texts)
