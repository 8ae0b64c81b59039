"""ImageSegData: images with label images, from a list (DeepLab's image_seg_data_layer.cpp)."""

from functools import partial

import numpy as np

from netspec.schema.messages import ImageDataParameter
from port.engine.registry import layer
from port.images.caffe_images import read_image, read_label, resize, resize_nearest
from port.images.pair_transformer import PairTransformer
from port.layers.bases.image_list import ImageListLayer

NONE, IMAGE = ImageDataParameter.NONE, ImageDataParameter.IMAGE


@layer('ImageSegData')
class ImageSegData(ImageListLayer):
    """source: lines `image label`; root_folder stands before each path, as it is written.

    Tops: data N x C x H x W; labels N x 1 x H x W; data_dim N x 1 x 1 x 2, the height and width
    of each image before it is scaled, at most those of data. A file that names two tops gets the
    third all the same.
    label_type PIXEL: an image of classes, a palette's indices and not its colours. IMAGE: one
    number for all pixels. NONE: ignore_label everywhere, and no label in the list; v1's
    `has_label: false` says so too. See PairTransformer for what transform_param does.
    """

    transformer: PairTransformer

    def open_source(self) -> int:
        given = self.param.image_data_param
        self.kind = given.label_type if given.has_label else NONE
        self.form = '`image`' if self.kind == NONE else '`image label`' if self.kind != IMAGE \
            else '`image label` with a label from 0 to 255'
        return super().open_source()

    def make_transformer(self, precision: type) -> PairTransformer:
        void = self.param.image_data_param.ignore_label
        if not 0 <= void <= 255:
            raise ValueError(f'ignore_label is {void}; expected 0 to 255, what a label image can '
                             'hold')
        return PairTransformer(self.param.transform_param, self.phase, precision, void)

    def parse(self, line: str) -> tuple[str, str] | None:
        image, *rest = line.split()
        if self.kind == NONE:
            return image, ''
        known = rest and (self.kind != IMAGE or rest[0].isdecimal() and int(rest[0]) <= 255)
        return (image, rest[0]) if known else None

    def item(self, index: int, random: np.random.RandomState | None
             ) -> tuple[tuple[np.ndarray, ...], str]:
        given, (name, label, line) = self.param.image_data_param, self.lines[index]
        pixels = self.listed(partial(read_image, color=given.is_color), name, line)
        labels = self._labels(label, pixels.shape[1:], line)
        if given.new_height:
            pixels = resize(pixels, given.new_height, given.new_width)
            labels = resize_nearest(labels, given.new_height, given.new_width)
        where = f'{given.root_folder}{name} (listed in {given.source}:{line})'
        try:
            data, labels_out = self.transformer.pair(pixels, labels, random)
        except ValueError as error:
            raise ValueError(f'{where}: {error}') from None
        size = np.minimum(pixels.shape[1:], data.shape[1:]).astype(data.dtype)
        return (data, labels_out, size[None, None]), where

    def _labels(self, label: str, size: tuple[int, int], line: int) -> np.ndarray:
        """Return the labels 1 x H x W of an image of that size."""
        given = self.param.image_data_param
        if self.kind != ImageDataParameter.PIXEL:
            value = int(label) if self.kind == IMAGE else given.ignore_label
            return np.full((1, *size), value, np.uint8)
        labels = self.listed(read_label, label, line)
        if labels.shape[1:] != size:
            height, width = labels.shape[1:]
            raise ValueError(f'{given.root_folder}{label} (listed in {given.source}:{line}) is '
                             f'{width} x {height} but its image {size[1]} x {size[0]}; expected '
                             'the same')
        return labels
