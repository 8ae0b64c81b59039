"""caffe.Classifier: image classification with a net, by centre crop or ten crops."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from port.pycaffe import io
from port.pycaffe.io import Size
from port.pycaffe.net import TEST, Net


def transformer_for(net: Net, mean: np.ndarray | None, input_scale: float | None,
                    raw_scale: float | None, channel_swap: Sequence[int] | None) -> io.Transformer:
    """Return the Transformer of a net's first input, for H x W x K images."""
    name = net.inputs[0]
    transformer = io.Transformer({name: net.blobs[name].data.shape})
    transformer.set_transpose(name, (2, 0, 1))
    steps: tuple[tuple[Callable[[str, Any], None], Any], ...] = (
        (transformer.set_mean, mean), (transformer.set_input_scale, input_scale),
        (transformer.set_raw_scale, raw_scale), (transformer.set_channel_swap, channel_swap))
    for setter, value in steps:
        if value is not None:
            setter(name, value)
    return transformer


class Classifier(Net):
    """A net that labels images.

    image_dims: (height, width) that images are scaled to before cropping; the input's own size
    where absent. mean, input_scale, raw_scale, channel_swap: see io.Transformer.
    """

    def __init__(self, model_file: str, pretrained_file: str,
                 image_dims: Sequence[int] | None = None, mean: np.ndarray | None = None,
                 input_scale: float | None = None, raw_scale: float | None = None,
                 channel_swap: Sequence[int] | None = None) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = transformer_for(self, mean, input_scale, raw_scale, channel_swap)
        self.crop_dims = np.array(self.blobs[self.inputs[0]].data.shape[2:])
        self.image_dims: Size = self.crop_dims
        if image_dims is not None and len(image_dims) > 0:
            self.image_dims = image_dims

    def predict(self, inputs: Sequence[np.ndarray], oversample: bool = True) -> np.ndarray:
        """Return N x C probabilities of H x W x K images; the mean of ten crops if oversample."""
        images = np.array([io.resize_image(image, self.image_dims) for image in inputs])
        images = io.oversample(images, self.crop_dims) if oversample else self._centre(images)
        name = self.inputs[0]
        batch = np.array([self.transformer.preprocess(name, image) for image in images])
        predictions = self.forward_all(None, **{name: batch})[self.outputs[0]]
        if oversample:
            predictions = predictions.reshape(len(predictions) // 10, 10, -1).mean(1)
        return predictions

    def _centre(self, images: np.ndarray) -> np.ndarray:
        centre, half = np.array(self.image_dims) / 2.0, self.crop_dims / 2.0
        (top, left), (bottom, right) = (centre - half).astype(int), (centre + half).astype(int)
        return images[:, top:bottom, left:right]
