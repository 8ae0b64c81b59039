"""ImageData: images named in a list, with a label each (src/caffe/layers/image_data_layer.cpp)."""

import re
from functools import partial

import numpy as np

from port.engine.registry import layer
from port.images.caffe_images import read_image, resize
from port.layers.bases.image_list import ImageListLayer

LABEL = re.compile(r'\s*[+-]?\d+')


@layer('ImageData')
class ImageData(ImageListLayer):
    """source: lines `path label`; root_folder stands before each path, as it is written.

    new_height and new_width resize before transform_param applies.
    """

    form = '`path label` with a whole number for a label'

    def parse(self, line: str) -> tuple[str, int] | None:
        path, space, label = line.rstrip().rpartition(' ')       # a path may hold spaces
        found = LABEL.match(label)
        return (path, int(found[0])) if space and found else None

    def read(self, index: int) -> tuple[np.ndarray, int, str]:
        given, (name, label, line) = self.param.image_data_param, self.lines[index]
        pixels = self.listed(partial(read_image, color=given.is_color), name, line)
        if given.new_height:
            pixels = resize(pixels, given.new_height, given.new_width)
        return pixels, label, f'{given.root_folder}{name} (listed in {given.source}:{line})'
