"""The labels of a list that names an image and its labels a line, as DeepLab's rows have it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from port.data.readers import missing, read_lines
from port.images.caffe_images import read_image, read_label


def image_names(paths: Sequence[str]) -> list[str]:
    """Return a name for each image of a list: its file's, without folder and ending; with the
    folders where files of several folders are called alike.
    """
    names = [Path(path).stem for path in paths]
    if len(set(names)) == len(set(paths)):
        return names
    return [str(Path(path.lstrip('/')).with_suffix('')) for path in paths]


class ListedSplit:
    """A list read, no image: `indices` are the images' names.

    root: what stands before each path, as it is written. Raises FileNotFoundError and ValueError
    naming the list and the line.
    """

    def __init__(self, root: str | Path, source: str | Path) -> None:
        rows = [(number, line.split()) for number, line in enumerate(
            read_lines(Path(source), 'list of images', '`image label` a line'), 1) if line.strip()]
        for number, words in rows:
            if len(words) < 2:
                raise ValueError(f'{source}:{number}: expected `image label`, got {words[0]!r}')
        if not rows:
            raise ValueError(f'{source}: the list of images is empty; expected lines `image label`')
        self.indices = image_names([words[0] for _, words in rows])
        self.paths = {name: tuple(f'{root}{word}' for word in words[:2])
                      for name, (_, words) in zip(self.indices, rows, strict=True)}
        first = self.paths[self.indices[0]]
        for path in map(Path, first):
            if not path.is_file():
                raise missing(path, f'image of {source}')

    def load_top(self, top: str, index: str) -> np.ndarray:
        """Read the labels 1 x H x W of an image, or for `data` its planes, B G R."""
        image, label = self.paths[index]
        return read_image(image, True) if top == 'data' else read_label(label)
