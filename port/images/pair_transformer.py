"""transform_param for an image and its labels together (TransformImgAndSeg of DeepLab's
data_transformer.cpp).
"""

import numpy as np

from netspec.schema.messages import TRAIN, TransformationParameter
from port.images.caffe_images import resize, resize_nearest
from port.images.transformer import Transformer, draw


class PairTransformer(Transformer):
    """(pixels - mean) * scale of both, scaled by one of scale_factors, padded and cropped.

    Drawn in this order: mirror (one of two, in either phase), one of the scale_factors, and in
    TRAIN the row and column of the crop; in TEST it lies in the middle. Sizes are truncated after
    scaling; images are resized bilinearly, labels to the nearest. What is smaller than the crop
    is padded below and to the right: the image with the mean, labels with `void`. crop_height and
    crop_width go together, and take the place of crop_size.
    """

    def __init__(self, param: TransformationParameter, phase: int, dtype: type,
                 void: int) -> None:
        if param.HasField('mean_file'):
            raise ValueError('transform_param gives a mean_file; ImageSegData takes mean_value')
        super().__init__(param, phase, dtype)
        sides = [param.HasField('crop_height'), param.HasField('crop_width')]
        if any(sides) and (not all(sides) or param.HasField('crop_size')):
            raise ValueError('transform_param must give crop_size, or both crop_height and '
                             'crop_width')
        self.crop = ((param.crop_height, param.crop_width) if any(sides)
                     else (param.crop_size, param.crop_size))
        if not all(self.crop):               # one side of 0 is no crop, as in the fork
            self.crop = (0, 0)
        self.random_crop = phase == TRAIN and self.crop != (0, 0)
        self.factors = [np.float32(factor) for factor in param.scale_factors]
        if any(not factor > 0 for factor in self.factors):
            raise ValueError(f'scale_factors holds {min(self.factors):g}; expected more than 0')
        self.void = void

    @property
    def needs_random(self) -> bool:
        return super().needs_random or len(self.factors) > 1

    def pair(self, pixels: np.ndarray, labels: np.ndarray,
             random: np.random.RandomState | None) -> tuple[np.ndarray, np.ndarray]:
        """Transform an image C x H x W and its labels 1 x H x W, both uint8."""
        self._check_mean(pixels.shape)
        mirror = self.param.mirror and bool(draw(random, 2))
        if self.factors:
            factor = self.factors[draw(random, len(self.factors)) if len(self.factors) > 1 else 0]
            pixels, labels = self._scaled(pixels, labels, factor)
        mean = np.zeros((1, 1, 1), self.dtype) if self.mean is None else self.mean
        below, right = (max(c - n, 0) for c, n in zip(self.crop, pixels.shape[1:], strict=True))
        room = ((0, 0), (0, below), (0, right))
        window = self._window((pixels.shape[1] + below, pixels.shape[2] + right), random)
        # The mean less itself is 0: padding after the subtraction is padding with the mean.
        data = np.pad(pixels.astype(self.dtype) - mean, room)[window]
        labels = np.pad(labels, room, constant_values=self.void)[window].astype(self.dtype)
        if self.param.scale != 1:
            data = data * self.dtype(self.param.scale)
        return (data[:, :, ::-1], labels[:, :, ::-1]) if mirror else (data, labels)

    @staticmethod
    def _scaled(pixels: np.ndarray, labels: np.ndarray,
                factor: np.float32) -> tuple[np.ndarray, np.ndarray]:
        height, width = (int(np.float32(n) * factor) for n in pixels.shape[1:])
        if factor == 1:
            return pixels, labels
        if not height or not width:
            raise ValueError(f'it is {pixels.shape[2]} x {pixels.shape[1]}, and nothing once '
                             f'scaled by {factor:g}')
        return resize(pixels, height, width), resize_nearest(labels, height, width)

    def _window(self, size: tuple[int, int],
                random: np.random.RandomState | None) -> tuple[slice, ...]:
        """Return the part of a padded image of that size that is cut out."""
        crop = self.crop if all(self.crop) else size
        spare = [n - c for n, c in zip(size, crop, strict=True)]
        top, left = (draw(random, n + 1) if self.random_crop else n // 2 for n in spare)
        return np.s_[:, top:top + crop[0], left:left + crop[1]]
