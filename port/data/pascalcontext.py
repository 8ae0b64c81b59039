"""PASCAL-Context, 59 classes of 400 and more: PASCALContextSegDataLayer (pascalcontext_layers).

param_str: voc_dir (holding VOC2010), context_dir, split; optional seed, randomize, prefetch, and
task, the file of the classes' names ('33_labels.txt' for the task of 33). The full label ids are
mapped by name to 1..59; all others become background, 0.
"""

import difflib
from pathlib import Path
from typing import Any

import numpy as np

from netspec.variants.data_splits import CONTEXT_MEAN
from port.data.readers import INVALID, LabelValues, read_lines, read_mat
from port.data.seg_layer import SegDataLayer

VOID = 255
MEAN = CONTEXT_MEAN
CLASSES = (
    'background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
    'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa',
    'train', 'tvmonitor', 'bag', 'bed', 'bench', 'book', 'building', 'cabinet', 'ceiling',
    'clothes', 'computer', 'cup', 'door', 'fence', 'floor', 'flower', 'food', 'grass', 'ground',
    'keyboard', 'light', 'mountain', 'mouse', 'curtain', 'platform', 'sign', 'plate', 'road',
    'rock', 'shelves', 'sidewalk', 'sky', 'snow', 'bedcloth', 'track', 'tree', 'truck', 'wall',
    'water', 'window', 'wood')
# The full list calls three of the task's classes otherwise.
FULL_NAMES = {'diningtable': 'table', 'bedcloth': 'bedclothes', 'clothes': 'cloth'}
TASK = '59_labels.txt'
IDS = 2 ** 16  # label maps are uint16


def read_rows(path: Path) -> list[tuple[str, int]]:
    """Read `id: name` lines as (name, id); spaces in names are dropped."""
    rows: list[tuple[str, int]] = []
    for number, line in enumerate(read_lines(path, 'label list', "lines 'id: name'"), 1):
        if not line.strip():
            continue
        key, colon, name = line.partition(':')
        if not colon or not key.strip().isdigit():
            raise ValueError(f"{path}:{number}: expected 'id: name', got {line!r}")
        rows.append((name.replace(' ', ''), int(key)))
    return rows


def task_values(context_dir: str, strict: bool = False, task: str = TASK) -> LabelValues:
    """Map the ids of labels.txt to the places, from 1, of the names in 59_labels.txt.

    The first of two equal names counts. All other values become background; where `strict`, only
    0 and those of a line do.
    """
    full_file, task_file = Path(context_dir, 'labels.txt'), Path(context_dir, task)
    rows = read_rows(full_file)
    full = dict(reversed(rows))
    table = np.full(IDS, INVALID if strict else 0, dtype=np.int16)
    table[[0, *(number for _, number in rows if number < IDS)]] = 0
    for place, name in enumerate(dict(read_rows(task_file)), 1):
        name = FULL_NAMES.get(name, name)
        if name not in full:
            close = difflib.get_close_matches(name, full, 1)
            raise ValueError(f"{task_file}: class '{name}' does not stand in {full_file}"
                             + (f"; did you mean '{close[0]}'?" if close else ''))
        table[full[name]] = place
    return LabelValues(0, table, f'ids of {full_file}')


class PASCALContextSegDataLayer(SegDataLayer):
    """VOC2010's photographs with full labelings: trainval/ID.mat, LabelMap."""

    required = {'context_dir': str, 'split': str, 'voc_dir': str}
    optional = {'task': str}
    class_names: tuple[str, ...] = CLASSES
    mean = np.array(MEAN, np.float32)

    def configure(self, params: dict[str, Any]) -> None:
        """Take the folders, and map the full list of labels to the task's."""
        self.voc_dir = f'{params["voc_dir"]}/VOC2010'
        self.context_dir, self.task = params['context_dir'], params.get('task', TASK)
        self.values = task_values(self.context_dir, task=self.task)
        if self.task != TASK:
            rows = read_rows(Path(self.context_dir, self.task))
            self.class_names = ('background', *(name for name, _ in rows))

    def refuse_unlisted(self) -> None:
        """Take values that labels.txt lacks for errors, as the published layer does not."""
        self.values = task_values(self.context_dir, strict=True, task=self.task)

    def split_file(self) -> Path:
        """VOC2010's ImageSets/Main/SPLIT.txt."""
        return Path(self.voc_dir, 'ImageSets', 'Main', f'{self.split}.txt')

    def files(self, name: str) -> dict[str, Path]:
        """The photograph and its labeling."""
        return {'data': Path(self.voc_dir, 'JPEGImages', f'{name}.jpg'),
                'label': Path(self.context_dir, 'trainval', f'{name}.mat')}

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels, 1 x H x W: 0..59."""
        path = self.files(name)['label']
        return self.values.apply(read_mat(path, 'LabelMap'), path)[np.newaxis]
