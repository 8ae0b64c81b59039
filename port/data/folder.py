"""A user's own folders of images and labels: FolderSegDataLayer (module name folder_layers).

param_str: images, labels (folders), lists (folder of SPLIT.txt and classes.txt), split, mean
(B, G, R), classes; optional ignore_label (255), image_suffix, label_suffix, seed, randomize,
prefetch, batch. What `fcn new` writes.
"""

from pathlib import Path
from typing import Any

import numpy as np

from port.data.readers import planes, read_index, read_lines, read_rgb
from port.data.seg_layer import SegDataLayer, class_values, read_mean

VOID = 255
IMAGE_TYPES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.ppm', '.webp')
LABEL_TYPES = ('.png', '.bmp', '.gif', '.tif', '.tiff', '.pgm')


class FolderSegDataLayer(SegDataLayer):
    """NAME.jpg (or another type) in one folder, NAME.png of class indices in another."""

    required = {'images': str, 'labels': str, 'lists': str, 'split': str, 'mean': (tuple, list),
                'classes': int}
    optional = {'ignore_label': int, 'image_suffix': str, 'label_suffix': str}

    def configure(self, params: dict[str, Any]) -> None:
        """Take the folders, mean, classes and their names."""
        self.images, self.labels = Path(params['images']), Path(params['labels'])
        self.lists = Path(params['lists'])
        self.image_suffix = params.get('image_suffix', '')
        self.label_suffix = params.get('label_suffix', '')
        self.mean = read_mean(params['mean'], self.where())
        self.void = params.get('ignore_label', VOID)
        self.values = class_values(params, (), VOID, self.where())
        names = self.lists / 'classes.txt'
        self.class_names = tuple(read_class_names(names)) if names.is_file() else ()

    def split_file(self) -> Path:
        """SPLIT.txt."""
        return self.lists / f'{self.split}.txt'

    def files(self, name: str) -> dict[str, Path]:
        """The image and its label, of whichever types are there."""
        return {'data': find_file(self.images, name + self.image_suffix, IMAGE_TYPES),
                'label': find_file(self.labels, name + self.label_suffix, LABEL_TYPES)}

    def load_image(self, name: str) -> np.ndarray:
        """Load an image as 3 x H x W, BGR, mean subtracted: the way up that its camera noted, as
        people and `fcn infer` see it.
        """
        rgb = read_rgb(self.files(name)['data'], upright=True)
        return planes(rgb[:, :, ::-1], self.mean)

    def load_label(self, name: str) -> np.ndarray:
        """Load the labels, 1 x H x W: 0 .. classes - 1 and the ignored one."""
        path = self.files(name)['label']
        return self.values.apply(read_index(path), path)[np.newaxis]


def find_file(folder: Path, name: str, types: tuple[str, ...]) -> Path:
    """Return the file of that name and one of the types; the first type's where there is none.

    The folder is listed only where neither small nor capital letters are there: .Jpg is rare.
    """
    paths = [folder / f'{name}{end}' for kind in types for end in (kind, kind.upper())]
    for path in paths:
        if path.is_file():
            return path
    first = paths[0]
    beside = sorted(first.parent.iterdir()) if first.parent.is_dir() else []
    return next((path for path in beside
                 if path.stem == first.stem and path.suffix.lower() in types), first)


def read_class_names(path: Path) -> list[str]:
    """Read a class list: one name a line, the first for label 0; # begins a comment."""
    lines = (line.partition('#')[0].strip()
             for line in read_lines(path, 'class list', 'one name a line'))
    return [line for line in lines if line]
