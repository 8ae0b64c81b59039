"""transform_param: what a data layer does to an image (src/caffe/data_transformer.cpp)."""

from math import prod

import numpy as np

from netspec.schema import blob_array, read_blob
from netspec.schema.messages import TRAIN, TransformationParameter

Shape = tuple[int, int, int]


def draw(random: np.random.RandomState | None, count: int) -> int:
    """Draw one of 0 .. count - 1; ValueError where there is no generator to draw from."""
    if random is None:
        raise ValueError('mirrors, scales and crops at random need a generator of random numbers')
    return int(random.randint(count))


class Transformer:
    """(pixels - mean) * scale, cropped to crop_size and mirrored.

    In TRAIN the crop lies anywhere, in TEST in the middle; a mirrored image is one of two, in
    either phase. The mean of a mean_file is that of the whole image and is cropped with it.
    """

    def __init__(self, param: TransformationParameter, phase: int,
                 dtype: type = np.float32) -> None:
        self.param, self.dtype = param, dtype
        self.random_crop = phase == TRAIN and param.crop_size > 0
        self.mean: np.ndarray | None = None
        self.mean_file = param.mean_file
        values = list(param.mean_value)
        if param.HasField('mean_file'):
            if values:
                raise ValueError('transform_param gives both mean_file and mean_value; expected '
                                 'one of them')
            self.mean = blob_array(read_blob(param.mean_file)).astype(dtype)
            self.mean = self.mean.reshape(self.mean.shape[-3:])
        elif values:
            self.mean = np.array(values, dtype)[:, None, None]

    @property
    def needs_random(self) -> bool:
        """Whether two calls on one image may differ."""
        return self.param.mirror or self.random_crop

    def out_shape(self, shape: Shape) -> Shape:
        """Return the shape that an image of this shape (C, H, W) takes; ValueError if none."""
        size = self.param.crop_size
        if not prod(shape):
            raise ValueError(f'the image has shape {list(shape)}; expected channels, height and '
                             'width of 1 or more')
        if size > min(shape[1:]):
            raise ValueError(f'crop_size is {size} but the image is {shape[2]} x {shape[1]} '
                             '(width x height); expected an image at least as large')
        self._check_mean(shape)
        return (shape[0], size or shape[1], size or shape[2])

    def __call__(self, pixels: np.ndarray, random: np.random.RandomState | None) -> np.ndarray:
        """Transform one image C x H x W; `random` decides mirror, then row and column.

        It may be None where nothing is left to chance (see `needs_random`).
        """
        _, height, width = self.out_shape(pixels.shape)
        mirror = self.param.mirror and bool(draw(random, 2))
        spare = (pixels.shape[1] - height, pixels.shape[2] - width)
        top, left = (draw(random, n + 1) if self.random_crop else n // 2 for n in spare)
        window = np.s_[:, top:top + height, left:left + width]
        out: np.ndarray = pixels[window].astype(self.dtype)
        if self.mean is not None:
            out -= self.mean[window] if self.mean_file else self.mean
        if self.param.scale != 1:
            out *= self.dtype(self.param.scale)
        return out[:, :, ::-1] if mirror else out

    def _check_mean(self, shape: Shape) -> None:
        if self.mean is None:
            return
        if self.mean_file:
            if self.mean.shape != shape:
                raise ValueError(f'mean_file {self.mean_file!r} holds a mean of shape '
                                 f'{list(self.mean.shape)} but the image has {list(shape)}; '
                                 'expected the same')
        elif len(self.mean) not in (1, shape[0]):
            raise ValueError(f'{len(self.mean)} mean_values for {shape[0]} channels; expected 1, '
                             'or as many as channels')
