"""The folder that `fcn new` writes: lists, class list, nets, solver, and what they are made of.

With its dataset.json the folder stands for a dataset and for a net.
"""

import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.generate import contents, snapshots
from netspec.known_weights import kept_file
from netspec.own_dataset import KEPT, ROW_FILE, iterations_for, read_about, row_of
from netspec.schema import read_json, write_atomic
from netspec.variants import Variant
from port.data.label_pictures import write_label
from port.data.survey import Pair, Read, Survey
from surgery import read_weights, write_weights

KINDS = {'train': 'train', 'training': 'train', 'val': 'val', 'valid': 'val', 'validation': 'val',
         'test': 'test', 'testing': 'test'}       # a folder's name: the part that its images are
VAL_SHARE = 0.2
Parts = dict[str, list[str]]


def split(names: Sequence[str], seed: int, val_share: float | None = None,
          val_folders: Sequence[str] = ()) -> Parts:
    """Deal the names into train and val, and test where there is a folder of that name.

    val_folders: what lies in these is val. Without, and without a share: by folders called train,
    val and test, if all names lie in such; else at random by the seed.
    """
    if len(names) < 2:
        raise ValueError(f'{len(names)} usable pair(s); at least 2 are needed, one to train on '
                         'and one to score')
    if val_folders:
        return _by_folders(names, val_folders)
    kinds = {name: KINDS.get(Path(name).parts[0].lower(), '') if '/' in name else ''
             for name in names}
    parts = {kind: sorted(name for name in names if kinds[name] == kind)
             for kind in ('train', 'val', 'test')}
    if val_share is None and parts['train'] and '' not in kinds.values():
        if not parts['val']:
            parts |= _dealt(parts['train'], VAL_SHARE, seed)
        return {part: found for part, found in parts.items() if found}
    return _dealt(names, VAL_SHARE if val_share is None else val_share, seed)


def _by_folders(names: Sequence[str], val_folders: Sequence[str]) -> Parts:
    """Return val, what lies in these folders, and train, what does not."""
    prefixes = [f'{folder.strip("/")}/' for folder in val_folders]
    folders = sorted({str(Path(name).parent) for name in names} - {'.'})
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise ValueError(f'--val-folder {prefix[:-1]}: no pair lies in that folder; there are '
                             f'{", ".join(folders[:8]) or "no folders"}')
    val = sorted(name for name in names if name.startswith(tuple(prefixes)))
    train = sorted(set(names) - set(val))
    if not train:
        raise ValueError(f'--val-folder {", ".join(val_folders)}: all pairs lie there; nothing is '
                         'left to train on')
    return {'train': train, 'val': val}


def _dealt(names: Sequence[str], val_share: float, seed: int) -> Parts:
    """Deal names at random into train and val; each gets one at least."""
    if not 0 < val_share < 1:
        raise ValueError(f'--val-share {val_share:g}: expected a share between 0 and 1')
    if len(names) < 2:
        raise ValueError(f'{len(names)} pair to train on; at least 2 are needed, one to score')
    dealt = sorted(names)
    random.Random(seed).shuffle(dealt)
    count = min(max(1, round(val_share * len(dealt))), len(dealt) - 1)
    return {'train': sorted(dealt[count:]), 'val': sorted(dealt[:count])}


def absent(result: Survey, parts: Parts) -> list[str]:
    """Say of which classes a part has no pixel: they cannot be learnt, or not be scored."""
    lines = []
    for part, names in parts.items():
        counts = result.counts(names)
        lacking = [name for i, name in enumerate(result.classes) if not counts[i]]
        if lacking:
            effect = 'cannot be learnt' if part == 'train' else 'will not be scored'
            lines.append(f'{part}: no pixel of {", ".join(lacking)}; such a class {effect}')
    return lines


def describe(name: str, result: Survey, parts: Parts, balance: bool = False,
             palette: np.ndarray | None = None, **more: Any) -> dict[str, Any]:
    """Return what dataset.json holds: everything that the row is made of."""
    about = {'name': name, 'classes': list(result.classes), 'mean': result.mean(parts['train']),
             'images_in': {part: len(names) for part, names in parts.items()},
             'ignore_label': result.ignore_label, 'pixels': result.image_pixels,
             'iterations': iterations_for(len(parts['train']), more.get('trunk', 'vgg16'))}
    if balance:
        about['class_weighting'] = result.median_frequency(parts['train'])
    if palette is not None:
        about['palette'] = palette[:len(result.classes)].tolist()
    return about | more


def _keep_trained(out: Path, about: dict[str, Any]) -> None:
    """Raise ValueError where a net with other settings was trained in the folder."""
    path = out / ROW_FILE
    trained = snapshots(out)
    if not path.is_file() or not trained:
        return
    if read_json(path, 'note on a dataset') != json.loads(json.dumps(about)):
        raise ValueError(f'{out}: a net was trained there ({trained}) on other data or '
                         'with other settings; name another --out, or remove the folder')


def write(out: Path, about: dict[str, Any], parts: Parts) -> list[Path]:
    """Write lists, class list, mean, prototxts, solver and dataset.json; return their paths."""
    row = row_of(about, out)
    _keep_trained(out, about)
    texts = contents(row, out)
    texts |= {out / f'{part}.txt': ''.join(f'{n}\n' for n in names)
              for part, names in parts.items()}
    texts[out / 'classes.txt'] = ''.join(f'{name}\n' for name in about['classes'])
    texts[out / 'mean.txt'] = '{} {} {}\n'.format(*about['mean'])
    texts[out / ROW_FILE] = json.dumps(about, indent=2) + '\n'
    out.mkdir(parents=True, exist_ok=True)
    for path, text in texts.items():
        write_atomic(path, [text.encode()])
    return list(texts)


def write_labels(folder: Path, pairs: Iterable[Pair], read: Read, palette: np.ndarray) -> None:
    """Write the class indices of each pair's label as NAME.png below a folder."""
    for name, _, label in pairs:
        path = folder / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        write_label(path, read(label), palette)


def write_kept(folder: Path) -> Path:
    """Write what a SqueezeNet starts from into a folder: the weights that come along, but for their
    scores, which are of other classes.
    """
    kept = kept_file(KEPT)
    if kept is None:
        raise FileNotFoundError(f'the weights of {KEPT} are not here: this installation lacks '
                                'weights/; give --trunk vgg16')
    path = folder / 'init.caffemodel'
    write_weights(path, {name: blobs for name, blobs in read_weights(kept).items()
                         if 'score' not in name})
    return path


def check_labels_place(folder: Path, labels: Path) -> None:
    """Raise ValueError where index labels would be written over the labels that they are made of.
    """
    if folder.resolve() in (labels.resolve(), *labels.resolve().parents):
        raise ValueError(f'{labels}: lies where the index labels go, {folder}; name another --out')


def params_of(row: Variant) -> dict[str, Any]:
    """Return what the data layer of a user's own row is told, but for the list."""
    return dict(row.places) | dict(row.told) | {'mean': row.mean}


def lists_of(folder: str | Path) -> list[str]:
    """Return the names of the lists in a folder of `fcn new`."""
    return list(read_about(folder)['images_in'])
