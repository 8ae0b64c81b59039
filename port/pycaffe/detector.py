"""caffe.Detector: classify windows of images, with surrounding context as in R-CNN."""

import os
from collections.abc import Iterable, Sequence

import numpy as np

from port.pycaffe import io
from port.pycaffe.classifier import transformer_for
from port.pycaffe.net import TEST, Net


class Detector(Net):
    """A net that labels windows of images.

    context_pad: pixels of the net's input, on each side, that show what lies around the window.
    mean, input_scale, raw_scale, channel_swap: see io.Transformer.
    """

    def __init__(self, model_file: str, pretrained_file: str, mean: np.ndarray | None = None,
                 input_scale: float | None = None, raw_scale: float | None = None,
                 channel_swap: Sequence[int] | None = None,
                 context_pad: int | None = None) -> None:
        super().__init__(model_file, TEST, weights=pretrained_file)
        self.transformer = transformer_for(self, mean, input_scale, raw_scale, channel_swap)
        self.configure_crop(context_pad)

    def detect_windows(self, images_windows: Iterable[tuple]) -> list[dict]:
        """Label windows: (image file, windows) pairs to dicts of window, prediction, filename.

        A window is ymin, xmin, ymax, xmax.
        """
        pairs = [(name, window) for name, windows in images_windows for window in windows]
        name, images = self.inputs[0], {}
        crops = []
        for file, window in pairs:
            if file not in images:
                images = {file: io.load_image(file)}
            crops.append(self.transformer.preprocess(name, self.crop(images[file], window)))
        predictions = self.forward_all(None, **{name: np.array(crops)})[self.outputs[0]]
        return [{'window': window, 'prediction': prediction, 'filename': file}
                for (file, window), prediction in zip(pairs, predictions, strict=True)]

    def detect_selective_search(self, image_fnames: Iterable[str]) -> list[dict]:
        """Label the windows that the selective search package proposes (it must be installed)."""
        import selective_search_ijcv_with_python as selective_search
        names = [os.path.abspath(name) for name in image_fnames]
        windows = selective_search.get_windows(names, cmd='selective_search_rcnn')
        return self.detect_windows(zip(names, windows, strict=True))

    def crop(self, im: np.ndarray, window: Sequence[int]) -> np.ndarray:
        """Return a window of an H x W x K image, with its context where that was asked for."""
        ymin, xmin, ymax, xmax = (int(n) for n in window)
        if not self.context_pad:
            return im[ymin:ymax, xmin:xmax]
        size = self.blobs[self.inputs[0]].width          # the input is square
        half = np.array([ymax - ymin + 1, xmax - xmin + 1]) / 2.0
        centre = np.array([ymin, xmin]) + half
        half *= size / (size - 2.0 * self.context_pad)
        low, high = np.round(centre - half), np.round(centre + half)
        scale = size / (high - low + 1)
        pad = [int(round(p)) for p in np.maximum(0, -low) * scale]
        limit = np.array(im.shape[:2])
        low, high = np.clip(low, 0, limit).astype(int), np.clip(high, 0, limit).astype(int)
        if (high - low < 0).any():
            raise ValueError(f'window {tuple(window)} lies outside an image of {im.shape[:2]}')
        extent = [min(int(round(e)), size - p) for e, p in zip((high - low + 1) * scale, pad,
                                                               strict=True)]
        inner = io.resize_image(im[low[0]:high[0], low[1]:high[1]], extent)
        result = np.ones(self.crop_dims, np.float32) * self.crop_mean
        result[pad[0]:pad[0] + extent[0], pad[1]:pad[1] + extent[1]] = inner
        return result

    def configure_crop(self, context_pad: int | None) -> None:
        """Set the context, and what is put where it lies outside the image: the mean."""
        name = self.inputs[0]
        order = np.argsort(self.transformer.transpose[name])
        self.crop_dims = np.array(self.blobs[name].data.shape[1:])[order]
        self.context_pad = context_pad
        mean = self.transformer.mean.get(name)
        if not context_pad or mean is None:
            self.crop_mean = np.zeros(self.crop_dims, np.float32)
            return
        self.crop_mean = mean.transpose(order).copy()
        if name in self.transformer.channel_swap:
            self.crop_mean = self.crop_mean[:, :, np.argsort(self.transformer.channel_swap[name])]
        if self.transformer.raw_scale.get(name) is not None:
            self.crop_mean /= self.transformer.raw_scale[name]
