"""NYUDv2 in the layout of Gupta et al. (CVPR 2013): NYUDSegDataLayer (published: nyud_layers).

param_str: nyud_dir, split, tops (of color, depth, hha, label); optional seed, randomize,
prefetch. Labels 1..40 become 0..39 and 0 becomes void.
"""

from pathlib import Path
from typing import Any

import numpy as np

from netspec.variants.data_splits import DEPTH_MEAN, HHA_MEAN, NYUD_MEAN
from port.data.readers import LabelValues, planes, read_grey, read_mat, read_rgb
from port.data.seg_layer import SegDataLayer

VOID = 255
MEAN = NYUD_MEAN
TOPS = ('color', 'depth', 'hha', 'label')
CLASSES = (
    'wall', 'floor', 'cabinet', 'bed', 'chair', 'sofa', 'table', 'door', 'window', 'bookshelf',
    'picture', 'counter', 'blinds', 'desk', 'shelves', 'curtain', 'dresser', 'pillow', 'mirror',
    'floor mat', 'clothes', 'ceiling', 'books', 'refridgerator', 'television', 'paper', 'towel',
    'shower curtain', 'box', 'whiteboard', 'person', 'night stand', 'toilet', 'sink', 'lamp',
    'bathtub', 'bag', 'otherstructure', 'otherfurniture', 'otherprop')
VALUES = LabelValues.of({0: VOID} | {i + 1: i for i in range(len(CLASSES))},
                        f'0 for void or 1..{len(CLASSES)}')


class NYUDSegDataLayer(SegDataLayer):
    """Colour, depth and HHA images and labels, in the order that `tops` asks for."""

    required = {'nyud_dir': str, 'split': str, 'tops': (tuple, list)}
    class_names = CLASSES

    mean_bgr = np.array(MEAN, np.float32)
    mean_hha = np.array(HHA_MEAN, np.float32)
    mean_logd = np.array(DEPTH_MEAN, np.float32)

    def configure(self, params: dict[str, Any]) -> None:
        """Take nyud_dir and the tops."""
        self.nyud_dir = params['nyud_dir']
        self.tops = tuple(params['tops'])
        unknown = [top for top in self.tops if top not in TOPS]
        if unknown or not self.tops:
            raise ValueError(f"{self.where()}: param_str 'tops' is {params['tops']!r}; "
                             f'expected some of {", ".join(TOPS)}')

    def split_file(self) -> Path:
        """SPLIT.txt beside the folders."""
        return Path(self.nyud_dir, f'{self.split}.txt')

    def files(self, name: str) -> dict[str, Path]:
        """The PNG of each kind of image and the labels."""
        root = Path(self.nyud_dir)
        return {'color': root / 'data' / 'images' / f'img_{name}.png',
                'depth': root / 'data' / 'depth' / f'img_{name}.png',
                'hha': root / 'data' / 'hha' / f'img_{name}.png',
                'label': root / 'segmentation' / f'img_{name}.mat'}

    def load_top(self, top: str, name: str) -> np.ndarray:
        """Load the array of one top, channels x height x width."""
        return {'color': self.load_image, 'depth': self.load_depth, 'hha': self.load_hha,
                'label': self.load_label}[top](name)

    def load_image(self, name: str) -> np.ndarray:
        """Load the colour image, 3 x H x W, BGR, mean subtracted."""
        return planes(read_rgb(self.files(name)['color'])[:, :, ::-1], self.mean_bgr)

    def load_depth(self, name: str) -> np.ndarray:
        """Load the logarithm of the depth less its mean, 1 x H x W."""
        path = self.files(name)['depth']
        depth = read_grey(path)
        if (depth <= 0).any():
            y, x = np.argwhere(depth <= 0)[0]
            raise ValueError(f'{path}: depth {depth[y, x]:g} at x={x}, y={y} has no logarithm; '
                             'expected the filled-in depth of NYUDv2')
        return np.log(depth)[np.newaxis] - self.mean_logd

    def load_hha(self, name: str) -> np.ndarray:
        """Load disparity, height and angle as stored, 3 x H x W, mean subtracted."""
        return planes(read_rgb(self.files(name)['hha']), self.mean_hha)

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels, 1 x H x W: 0..39 and 255."""
        path = self.files(name)['label']
        return VALUES.apply(read_mat(path, 'segmentation'), path)[np.newaxis]
