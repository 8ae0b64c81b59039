"""ImageData: images named in a list, with a label each (src/caffe/layers/image_data_layer.cpp)."""

import re
from functools import lru_cache

import numpy as np
import torch

from port.engine.registry import layer
from port.images.caffe_images import read_image, resize
from port.layers.bases.batch_layer import BatchLayer

LABEL = re.compile(r'\s*[+-]?\d+')


@layer('ImageData')
class ImageData(BatchLayer):
    """source: lines `path label`; root_folder stands before each path, as it is written.

    new_height and new_width resize before transform_param applies; shuffle draws a new order
    for each pass through the list; rand_skip starts up to that many lines on.
    """

    def open_source(self) -> int:
        given = self.param.image_data_param
        self.batch = given.batch_size
        if bool(given.new_height) != bool(given.new_width):
            raise ValueError(f'new_height is {given.new_height} and new_width {given.new_width}; '
                             'expected both or neither')
        self.lines = read_list(given.source)
        self.order = lru_cache(4)(self._order)
        return len(self.lines)

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

    def read(self, index: int) -> tuple[np.ndarray, int, str]:
        given, (name, label, line) = self.param.image_data_param, self.lines[index]
        path = given.root_folder + name
        where = f'{path} (listed in {given.source}:{line})'
        try:
            pixels = read_image(path, given.is_color)
        except (FileNotFoundError, ValueError) as error:
            raise type(error)(f'{error} (listed in {given.source}:{line})') from None
        if given.new_height:
            pixels = resize(pixels, given.new_height, given.new_width)
        return pixels, label, where


def read_list(source: str) -> list[tuple[str, int, int]]:
    """Read `path label` lines; give path, label and the line's number. The last space parts."""
    if not source:
        raise ValueError('image_data_param lacks `source`: a text file of lines `path label`')
    try:
        with open(source, encoding='utf-8') as file:
            lines = file.read().splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f'{source}: no such list of images') from None
    rows = []
    for number, line in enumerate(lines, 1):
        path, space, label = line.rstrip().rpartition(' ')
        if not line.strip():
            continue
        if not space or not LABEL.match(label):
            raise ValueError(f'{source}:{number}: expected `path label` with a whole number for '
                             f'a label, got {line!r}')
        rows.append((path, int(LABEL.match(label)[0]), number))
    if not rows:
        raise ValueError(f'{source}: the list of images is empty; expected lines `path label`')
    return rows
