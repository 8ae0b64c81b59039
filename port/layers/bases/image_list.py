"""What ImageData and ImageSegData share: a list of images, its order, and their resizing
(src/caffe/layers/image_data_layer.cpp and DeepLab's image_seg_data_layer.cpp).
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch

from port.layers.bases.batch_layer import BatchLayer

Read = TypeVar('Read')


class ImageListLayer(BatchLayer):
    """image_data_param { source batch_size shuffle rand_skip new_height new_width }.

    shuffle draws a new order for each pass through the list; rand_skip starts up to that many
    lines on. A subclass writes `item`, and `parse`, which reads a line.
    """

    def parse(self, line: str) -> tuple | None:
        """Return what a line says, None for one that says something else."""
        raise NotImplementedError

    form = ''                    # of a line, in the words of an error

    def open_source(self) -> int:
        given = self.param.image_data_param
        self.batch = given.batch_size
        if bool(given.new_height) != bool(given.new_width):
            raise ValueError(f'new_height is {given.new_height} and new_width {given.new_width}; '
                             'expected both or neither')
        self.lines = read_list(given.source, self.parse, self.form)
        self.order = lru_cache(4)(self._order)
        return len(self.lines)

    def files(self) -> list[str]:
        """Return the paths that the list names, as they are read."""
        root = self.param.image_data_param.root_folder
        return [root + line[0] for line in self.lines]

    def first(self) -> int:
        given = self.param.image_data_param
        skip = int(torch.randint(given.rand_skip, ())) if given.rand_skip else 0
        if skip >= self.count:
            raise ValueError(f'rand_skip {given.rand_skip} drew {skip}, but {given.source} has '
                             f'only {self.count} lines')
        return skip

    def pick(self, item: int) -> int:
        turn, place = divmod(item, self.count)
        return int(self.order(self.seed, turn)[place]) \
            if self.param.image_data_param.shuffle else place

    def _order(self, seed: int, turn: int) -> np.ndarray:
        return np.random.RandomState([seed, turn]).permutation(self.count)

    def listed(self, read: Callable[[str], Read], path: str, line: int) -> Read:
        """Read a file that a line names, with root_folder before it; an error names the line."""
        given = self.param.image_data_param
        try:
            return read(given.root_folder + path)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f'{error} (listed in {given.source}:{line})') from None


def read_list(source: str, parse: Callable[[str], tuple | None],
              form: str) -> list[tuple]:
    """Read the lines that are not blank; give what each says and its number."""
    if not source:
        raise ValueError(f'image_data_param lacks `source`: a text file of lines {form}')
    try:
        lines = Path(source).read_text(encoding='utf-8').splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f'{source}: no such list of images') from None
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        said = parse(line)
        if said is None:
            raise ValueError(f'{source}:{number}: expected {form}, got {line!r}')
        rows.append((*said, number))
    if not rows:
        raise ValueError(f'{source}: the list of images is empty; expected lines {form}')
    return rows
