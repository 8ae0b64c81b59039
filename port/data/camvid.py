"""CamVid in SegNet's split and layout: CamVidSegDataLayer (module name camvid_layers).

param_str: camvid_dir, split; optional mean (B, G, R), seed, randomize, prefetch, classes and
ignore_label. SPLIT.txt, SPLIT/NAME.png or .jpg, SPLITannot/NAME.png; the index after the last
class is void where ignore_label names no other.
"""

from pathlib import Path
from typing import Any

import numpy as np

from netspec.variants.data_splits import CAMVID_MEAN
from port.data.readers import read_index
from port.data.seg_layer import SegDataLayer, class_values, read_mean

VOID = 11
MEAN = CAMVID_MEAN
CLASSES = ('Sky', 'Building', 'Pole', 'Road', 'Pavement', 'Tree', 'SignSymbol', 'Fence', 'Car',
           'Pedestrian', 'Bicyclist')
PALETTE = np.array([
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0)], np.uint8)
EXTENSIONS = ('.png', '.jpg', '.jpeg')


class CamVidSegDataLayer(SegDataLayer):
    """CamVid layout: folders named by the split, index PNGs with void after the last class."""

    required = {'camvid_dir': str, 'split': str}
    optional = {'mean': (tuple, list), 'classes': int, 'ignore_label': int}
    class_names = CLASSES

    def configure(self, params: dict[str, Any]) -> None:
        """Take camvid_dir, mean and the number of classes."""
        self.camvid_dir = params['camvid_dir']
        self.mean = read_mean(params.get('mean', MEAN), self.where())
        void = params.get('classes', VOID)
        self.void = params.get('ignore_label', void)
        self.values = class_values(params, CLASSES, void, self.where())

    def split_file(self) -> Path:
        """SPLIT.txt beside the folders."""
        return Path(self.camvid_dir, f'{self.split}.txt')

    def read_list(self) -> tuple[list[str], list[int]]:
        """Read the names; lines of two paths, as SegNet's own lists have them, give theirs."""
        names, lines = super().read_list()
        return [bare_name(name) for name in names], lines

    def files(self, name: str) -> dict[str, Path]:
        """The frame, .png before .jpg where both stand there, and its index PNG."""
        frames = [Path(self.camvid_dir, self.split, name + end) for end in EXTENSIONS]
        frame = next((path for path in frames if path.is_file()), frames[0])
        return {'data': frame,
                'label': Path(self.camvid_dir, f'{self.split}annot', f'{name}.png')}

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels, 1 x H x W: 0..10 and 11."""
        path = self.files(name)['label']
        return self.values.apply(read_index(path), path)[np.newaxis]


def bare_name(line: str) -> str:
    """Give the name in a line: 'NAME', 'NAME.png' or '/any/NAME.png /any/annot/NAME.png'."""
    path = Path(line.split()[0] if '/' in line else line)
    return path.stem if path.suffix in EXTENSIONS else path.name
