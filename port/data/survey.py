"""A user's own images and labels: pair them by name, open every pair, count what is in them.

What the original's users asked for most: labels that are colours, masks of 0 and 255, names that
do not match, classes out of range are each found here, before a net sees them.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from port.data.folder import IMAGE_TYPES, LABEL_TYPES
from port.data.readers import LabelValues, open_image, read_index, read_rgb

Pair = tuple[str, Path, Path]
Progress = Callable[[Sequence[Pair]], Iterable[Pair]]
Read = Callable[[Path], np.ndarray]       # the class indices of a label image, H x W
UNPAIRED = ('an image without a label', 'a label without an image')


class Faults:
    """What is wrong with files: a line for each, told once for each kind with their number."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[str]] = {}

    def add(self, kind: str, line: str) -> None:
        """Note a fault of a kind."""
        self.kinds.setdefault(kind, []).append(line)

    def take(self, *kinds: str) -> list[str]:
        """Remove the faults of some kinds and return their lines."""
        return [line for kind in kinds for line in self.kinds.pop(kind, [])]

    def lines(self) -> list[str]:
        """Return the first line of each kind, with how many more files have the same fault."""
        return [first + (f' (and {len(more)} more with the same fault)' if more else '')
                for first, *more in self.kinds.values()]


@dataclass
class Survey:
    """What the images and labels hold: counts of each label, sums of colours, problems."""

    classes: tuple[str, ...]
    ignore_label: int
    names: list[str] = field(default_factory=list)
    faults: Faults = field(default_factory=Faults)
    sums: dict[str, np.ndarray] = field(default_factory=dict)     # name: sum of B, G, R
    pixels: dict[str, np.ndarray] = field(default_factory=dict)   # name: count of each label

    @property
    def problems(self) -> list[str]:
        """A line for each kind of fault."""
        return self.faults.lines()

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

    def median_frequency(self, names: Iterable[str]) -> tuple[float, ...]:
        """Return a weight for each class by some images, as SegNet's authors balance theirs (arXiv
        1511.00561, section 4.1).

        A class's frequency is its share of the pixels of the images that show it; its weight the
        median of all frequencies over its own. A class that is not there weighs 1.
        """
        count = len(self.classes)
        pixels, around = np.zeros(count), np.zeros(count)
        for name in names:
            found = self.pixels[name][:count]
            pixels += found
            around += (found > 0) * found.sum()
        shown = pixels > 0
        frequency = np.divide(pixels, around, where=shown, out=np.ones(count))
        weights = np.where(shown, np.median(frequency[shown]) / frequency, 1) if shown.any() \
            else np.ones(count)
        return tuple(float(f'{weight:.4g}') for weight in weights)


def pair_up(images: Path, labels: Path, label_suffix: str = '',
            image_suffix: str = '') -> tuple[list[Pair], Faults]:
    """Match images and labels by name; return the pairs, and a fault for each unmatched file.

    Two files of one name are faults too. One folder may lie within the other; what the inner one
    holds then belongs to it alone.
    """
    pictures = _named(_files(images, IMAGE_TYPES, labels), image_suffix)
    found = _files(labels, LABEL_TYPES, images)
    marks = _named(found, label_suffix)
    together = images.resolve() == labels.resolve()
    if label_suffix and together and not image_suffix:
        pictures = {n: paths for n, paths in pictures.items() if not n.endswith(label_suffix)}
        if not pictures:
            raise FileNotFoundError(f'{images}: holds no images beside labels in {label_suffix!r}')
    pairs = [(name, paths[0], marks[name][0]) for name, paths in pictures.items() if name in marks]
    if not pairs:
        raise ValueError(_strangers(images, labels, image_suffix, label_suffix, found))
    faults = Faults()
    for name in pictures.keys() - marks.keys():
        faults.add(UNPAIRED[0], f'{pictures[name][0]}: no label {name}{label_suffix}.png in '
                                f'{labels}')
    for name in marks.keys() - pictures.keys():
        faults.add(UNPAIRED[1], f'{marks[name][0]}: no image {name}{image_suffix} in {images}')
    for lines in faults.kinds.values():
        lines.sort()
    remedy = 'keep one' if label_suffix or not together else (
        'labels in the folder of the images need an ending, as _mask, and --label-suffix')
    for kind, files in (('images', pictures), ('labels', marks)):
        for paths in files.values():
            if len(paths) > 1:
                faults.add(f'{kind} of one name',
                           f'{" and ".join(map(str, paths))}: {kind} of one name; {remedy}')
    return pairs, faults


def _named(files: dict[str, list[Path]], suffix: str) -> dict[str, list[Path]]:
    """Return the files whose names end in the suffix, by what stands before it."""
    return {name.removesuffix(suffix): paths for name, paths in files.items()
            if name.endswith(suffix)}


def _strangers(images: Path, labels: Path, image_suffix: str, label_suffix: str,
               found: dict[str, list[Path]]) -> str:
    """Say that no image has a label of its name, with an example of both."""
    pictures = _files(images, IMAGE_TYPES, labels)
    for option, suffix, files, folder in (
            ('--image-suffix', image_suffix, pictures, images),
            ('--label-suffix', label_suffix, found, labels)):
        if not _named(files, suffix):
            return (f'{option} {suffix}: no name in {folder} ends so; for example '
                    f'{next(iter(files))!r}')
    return (f'no image in {images} has a label of its name in {labels}: for example '
            f'{next(iter(pictures))!r} and {next(iter(found))!r}; give the same names, or '
            '--image-suffix and --label-suffix for what either has more')


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
           progress: Progress = iter, read: Read = read_index) -> Survey:
    """Open every pair and count its labels; a pair with a problem is noted and not counted.

    read: reads a label image.
    """
    result = Survey(classes, ignore_label)
    values = LabelValues.classes(len(classes), ignore_label)
    for name, image, label in progress(pairs):
        try:
            pixels, index = read_rgb(image, upright=True), read(label)
            if pixels.shape[:2] != index.shape:
                turned = ('; a photograph that is turned upright, as its camera noted (EXIF): turn '
                          'the label too' if read_rgb(image).shape[:2] == index.shape else '')
                raise ValueError(f'{label} is {index.shape[1]}x{index.shape[0]} but {image} is '
                                 f'{pixels.shape[1]}x{pixels.shape[0]} (width x height){turned}')
            index = values.apply(index, label)
        except (OSError, ValueError) as error:
            line = _explained(str(error), label)
            result.faults.add(_kind(line, image, label), line)
            continue
        result.names.append(name)
        result.sums[name] = pixels.reshape(-1, 3).sum(0, dtype=np.int64)[::-1]
        result.pixels[name] = np.bincount(index.reshape(-1), minlength=256)
    _check_masks(result)
    return result


def _kind(line: str, image: Path, label: Path) -> str:
    """Return what is alike in the lines of one fault: all but the files and the numbers."""
    return re.sub(r'\d+', '', line.replace(str(label), '').replace(str(image), ''))


def has_colours(label: Path) -> bool:
    """Tell whether a label image holds colours in place of indices."""
    return len(open_image(label, 'label image').getbands()) > 1


def _explained(problem: str, label: Path) -> str:
    """Add the likely cause to a label that is out of range."""
    if 'has colours' in problem:
        return (f'{problem}, or give --class-names a table with their colours (name,r,g,b)')
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
        result.faults.add('masks', (
            f'all labels hold only 0 and {result.ignore_label}, which is ignored, so there is '
            'nothing to learn: are they masks of 0 and 255? make them 0 and 1, or name another '
            '--ignore-label'))
