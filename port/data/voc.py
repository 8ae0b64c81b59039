"""PASCAL VOC 2011/2012 and SBDD: VOCSegDataLayer and SBDDSegDataLayer (published: voc_layers).

param_str: voc_dir or sbdd_dir, split, mean (B, G, R); optional seed, randomize, prefetch,
classes (21 where absent) and ignore_label (255), which fit them to other data in this layout.
"""

from pathlib import Path
from typing import Any

import numpy as np

from netspec.variants.data_splits import VOC_MEAN
from port.data.readers import read_index, read_mat
from port.data.seg_layer import SegDataLayer, class_values, read_mean

VOID = 255
MEAN = VOC_MEAN
CLASSES = (
    'background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair',
    'cow', 'diningtable', 'dog', 'horse', 'motorbike', 'person', 'pottedplant', 'sheep', 'sofa',
    'train', 'tvmonitor')


class VOCSegDataLayer(SegDataLayer):
    """VOC layout: JPEGImages/ID.jpg, SegmentationClass/ID.png with palette indices."""

    required = {'voc_dir': str, 'split': str, 'mean': (tuple, list)}
    optional = {'classes': int, 'ignore_label': int}
    class_names = CLASSES

    def configure(self, params: dict[str, Any]) -> None:
        """Take voc_dir, mean and the number of classes."""
        self.voc_dir = params['voc_dir']
        self.mean = read_mean(params['mean'], self.where())
        self.void = params.get('ignore_label', VOID)
        self.values = class_values(params, CLASSES, VOID, self.where())

    def split_file(self) -> Path:
        """VOC's ImageSets/Segmentation/SPLIT.txt."""
        return Path(self.voc_dir, 'ImageSets', 'Segmentation', f'{self.split}.txt')

    def files(self, name: str) -> dict[str, Path]:
        """The photograph and its palette PNG."""
        return {'data': Path(self.voc_dir, 'JPEGImages', f'{name}.jpg'),
                'label': Path(self.voc_dir, 'SegmentationClass', f'{name}.png')}

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels, 1 x H x W: 0..20 and 255."""
        path = self.files(name)['label']
        return self.values.apply(read_index(path), path)[np.newaxis]


class SBDDSegDataLayer(SegDataLayer):
    """SBDD layout: img/ID.jpg, cls/ID.mat with the struct GTcls."""

    required = {'sbdd_dir': str, 'split': str, 'mean': (tuple, list)}
    optional = {'classes': int, 'ignore_label': int}
    class_names = CLASSES

    def configure(self, params: dict[str, Any]) -> None:
        """Take sbdd_dir, mean and the number of classes."""
        self.sbdd_dir = params['sbdd_dir']
        self.mean = read_mean(params['mean'], self.where())
        self.void = params.get('ignore_label', VOID)
        self.values = class_values(params, CLASSES, VOID, self.where())

    def split_file(self) -> Path:
        """SPLIT.txt beside the folders."""
        return Path(self.sbdd_dir, f'{self.split}.txt')

    def files(self, name: str) -> dict[str, Path]:
        """The photograph and its struct of annotations."""
        return {'data': Path(self.sbdd_dir, 'img', f'{name}.jpg'),
                'label': Path(self.sbdd_dir, 'cls', f'{name}.mat')}

    def load_label(self, name: str) -> np.ndarray:
        """Load GTcls.Segmentation, 1 x H x W."""
        path = self.files(name)['label']
        return self.values.apply(read_segmentation(path), path)[np.newaxis]


def read_segmentation(path: Path) -> np.ndarray:
    """Read the field Segmentation of the struct GTcls, H x W."""
    return read_mat(path, 'GTcls', 'Segmentation')
