"""What a labelled picture leaves in a folder: labels, overlay, probabilities."""

import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from port.data.label_pictures import made_here, vis_seg, write_beside, write_label
from port.data.legend import legend
from port.predict.png_rows import PngRows

KINDS = ('labels', 'overlay', 'probabilities')
PROBABILITIES = '_probabilities.npz'


def files_of(place: Path, kinds: Collection[str]) -> list[Path]:
    """Name the files of a picture whose labels go to `place`: the labels first."""
    ends = {'labels': '.png', 'overlay': '_overlay.png', 'probabilities': PROBABILITIES}
    return [place.with_name(place.stem + end) for kind, end in ends.items() if kind in kinds]


def made(path: Path) -> bool:
    """Tell whether a file is one that `save` wrote."""
    if path.suffix != '.npz':
        return made_here(path)
    try:
        with zipfile.ZipFile(path) as file:
            return set(file.namelist()) == {'probabilities.npy', 'names.npy'}
    except (OSError, zipfile.BadZipFile):
        return False


def save(place: Path, kinds: Collection[str], rgb: np.ndarray, labels: np.ndarray,
         probabilities: np.ndarray | None, colours: np.ndarray, names: Sequence[str]) -> None:
    """Write what was asked for, the overlay over a legend; probabilities as an .npz file of
    `probabilities`, classes x H x W float32, and the `names` of the classes.
    """
    for kind, path in zip([k for k in KINDS if k in kinds], files_of(place, kinds), strict=True):
        if kind == 'labels':
            write_label(path, labels, colours)
        elif kind == 'overlay':
            _write_overlay(path, rgb, labels, colours, names)
        elif probabilities is not None:
            _write_probabilities(path, probabilities, names)


def _write_overlay(path: Path, rgb: np.ndarray, labels: np.ndarray, colours: np.ndarray,
                   names: Sequence[str]) -> None:
    picture = vis_seg(rgb, labels, colours)
    strip = np.asarray(legend(labels, names, colours, picture.shape[1]))

    def write(part: Path) -> None:
        with part.open('wb') as file:
            drawn = PngRows(file, len(picture) + len(strip), picture.shape[1])
            drawn.add(picture)
            drawn.add(strip)
            drawn.end()
    write_beside(path, write)


def _write_probabilities(path: Path, probabilities: np.ndarray, names: Sequence[str]) -> None:
    def write(part: Path) -> None:
        with part.open('wb') as file:           # a name would get another ending
            np.savez(file, probabilities=probabilities, names=np.array(names, str))
    write_beside(path, write)
