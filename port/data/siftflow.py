"""SIFT Flow, labelled twice: SIFTFlowSegDataLayer (published: siftflow_layers).

param_str: siftflow_dir, split; optional seed, randomize, prefetch. Semantic labels 1..33 and
geometric ones 1..3 (after -1 became 0) are lowered by one; 0 becomes void.
"""

from pathlib import Path
from typing import Any

import numpy as np

from netspec.variants.data_splits import SIFTFLOW_MEAN
from port.data.readers import LabelValues, read_mat
from port.data.seg_layer import SegDataLayer

VOID = 255
MEAN = SIFTFLOW_MEAN
CLASSES = (
    'awning', 'balcony', 'bird', 'boat', 'bridge', 'building', 'bus', 'car', 'cow', 'crosswalk',
    'desert', 'door', 'fence', 'field', 'grass', 'moon', 'mountain', 'person', 'plant', 'pole',
    'river', 'road', 'rock', 'sand', 'sea', 'sidewalk', 'sign', 'sky', 'staircase', 'streetlight',
    'sun', 'tree', 'window')
GEOMETRIC_CLASSES = ('sky', 'horizontal', 'vertical')
SCENES = 'spatial_envelope_256x256_static_8outdoorcategories'

SEMANTIC = LabelValues.of({0: VOID} | {i + 1: i for i in range(33)}, '0 for void or 1..33')
GEOMETRIC = LabelValues.of({-1: VOID, 0: VOID} | {i + 1: i for i in range(3)},
                           '-1 or 0 for void or 1..3')


class SIFTFlowSegDataLayer(SegDataLayer):
    """Three tops: the image, the semantic labels, the geometric labels."""

    required = {'siftflow_dir': str, 'split': str}
    tops = ('data', 'sem', 'geo')
    class_names = CLASSES
    mean = np.array(MEAN, np.float32)

    def configure(self, params: dict[str, Any]) -> None:
        """Take siftflow_dir."""
        self.siftflow_dir = params['siftflow_dir']

    def split_file(self) -> Path:
        """SPLIT.txt beside the folders."""
        return Path(self.siftflow_dir, f'{self.split}.txt')

    def files(self, name: str) -> dict[str, Path]:
        """The photograph and both label files."""
        root = Path(self.siftflow_dir)
        return {'data': root / 'Images' / SCENES / f'{name}.jpg',
                'sem': root / 'SemanticLabels' / SCENES / f'{name}.mat',
                'geo': root / 'GeoLabels' / SCENES / f'{name}.mat'}

    def load_top(self, top: str, name: str) -> np.ndarray:
        """Load the array of one top, channels x height x width."""
        return self.load_image(name) if top == 'data' else self.load_label(name, top)

    def load_label(self, name: str, label_type: str = 'sem') -> np.ndarray:
        """Load the labels of one kind ('sem' or 'geo'), 1 x H x W; void is 255."""
        path = self.files(name)[label_type]
        values = {'sem': SEMANTIC, 'geo': GEOMETRIC}[label_type]
        return values.apply(read_mat(path, 'S'), path)[np.newaxis]
