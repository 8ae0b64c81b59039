"""Cityscapes (Cordts et al., CVPR 2016) in its own layout: CityscapesSegDataLayer (module name
cityscapes_layers).

param_str: cityscapes_dir, split (train, val, test); optional mean (B, G, R), seed, randomize,
prefetch, batch, centre_crop. The split is its folder: leftImg8bit/SPLIT/CITY/*_leftImg8bit.png
beside gtFine/SPLIT/CITY/*_gtFine_labelIds.png. The ids of the files, 0..33, become the 19 classes
that are scored; the others are void, 255.
"""

from pathlib import Path
from typing import Any

import numpy as np

from netspec.variants.data_splits import VOC_MEAN
from port.data.readers import LabelValues, read_index
from port.data.seg_layer import SegDataLayer, read_mean

VOID, IDS = 255, range(34)
MEAN = VOC_MEAN          # of the images that VGG16 was trained on: no other is published with nets
IMAGE, LABEL = '_leftImg8bit.png', '_gtFine_labelIds.png'

# class: its id in the files, its colour in *_gtFine_color.png
LABELS = {
    'road': (7, (128, 64, 128)), 'sidewalk': (8, (244, 35, 232)), 'building': (11, (70, 70, 70)),
    'wall': (12, (102, 102, 156)), 'fence': (13, (190, 153, 153)), 'pole': (17, (153, 153, 153)),
    'traffic light': (19, (250, 170, 30)), 'traffic sign': (20, (220, 220, 0)),
    'vegetation': (21, (107, 142, 35)), 'terrain': (22, (152, 251, 152)),
    'sky': (23, (70, 130, 180)), 'person': (24, (220, 20, 60)), 'rider': (25, (255, 0, 0)),
    'car': (26, (0, 0, 142)), 'truck': (27, (0, 0, 70)), 'bus': (28, (0, 60, 100)),
    'train': (31, (0, 80, 100)), 'motorcycle': (32, (0, 0, 230)), 'bicycle': (33, (119, 11, 32))}
# The colours of ids that are not scored; that of groups of poles is the pole's.
VOID_COLOURS = {
    'unlabeled': (0, 0, 0), 'dynamic': (111, 74, 0), 'ground': (81, 0, 81),
    'parking': (250, 170, 160), 'rail track': (230, 150, 140), 'guard rail': (180, 165, 180),
    'bridge': (150, 100, 100), 'tunnel': (150, 120, 90), 'caravan': (0, 0, 90),
    'trailer': (0, 0, 110)}
CLASSES = tuple(LABELS)
PALETTE = np.array([colour for _, colour in LABELS.values()], np.uint8)
VALUES = LabelValues.of(dict.fromkeys(IDS, VOID) | {VOID: VOID} | {
    number: i for i, (number, _) in enumerate(LABELS.values())},
    'ids 0..33 of *_labelIds.png, or 255')


class CityscapesSegDataLayer(SegDataLayer):
    """Cityscapes layout: a folder for each split and city, ids that become 19 classes."""

    required = {'cityscapes_dir': str, 'split': str}
    optional = {'mean': (tuple, list)}
    class_names = CLASSES

    def configure(self, params: dict[str, Any]) -> None:
        """Take cityscapes_dir and mean."""
        self.root = Path(params['cityscapes_dir'])
        self.mean = read_mean(params.get('mean', MEAN), self.where())

    def split_file(self) -> Path:
        """Name the folder of the split: there is no list."""
        return self.root / 'leftImg8bit' / self.split

    def read_list(self) -> tuple[list[str], list[int]]:
        """Return CITY/STEM of each image of the split, in order, and its number."""
        folder = self.split_file()
        names = sorted(f'{path.parent.name}/{path.name.removesuffix(IMAGE)}'
                       for path in folder.glob(f'*/*{IMAGE}'))
        if not names:
            raise FileNotFoundError(f'{folder}: no images there; expected CITY/NAME{IMAGE}')
        return names, [*range(1, len(names) + 1)]

    def files(self, name: str) -> dict[str, Path]:
        """The image and its ids."""
        return {'data': self.split_file() / f'{name}{IMAGE}',
                'label': self.root / 'gtFine' / self.split / f'{name}{LABEL}'}

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels, 1 x H x W: 0..18 and 255."""
        path = self.files(name)['label']
        return VALUES.apply(read_index(path), path)[np.newaxis]
