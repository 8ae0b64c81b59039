"""WindowData: windows of images, object or not, warped (src/caffe/layers/window_data_layer.cpp)."""

import numpy as np

from port.engine.registry import layer
from port.images.caffe_images import read_image
from port.images.region_windows import plan, read_windows, warp
from port.layers.bases.batch_layer import Arrays, BatchLayer


@layer('WindowData')
class WindowData(BatchLayer):
    """window_data_param { source batch_size fg_threshold bg_threshold fg_fraction context_pad
    crop_mode root_folder }; transform_param gives crop_size, mirror and the mean.

    A batch is drawn at random: background windows first, then fg_fraction of objects. The scale
    is window_data_param's, as in Caffe. cache_images changes nothing: images are read anew.
    """

    def open_source(self) -> int:
        given = self.param.window_data_param
        self.batch, self.size = given.batch_size, self.param.transform_param.crop_size
        if not self.size:
            raise ValueError('transform_param { crop_size } is the side of the warped window; '
                             'expected 1 or more')
        if given.crop_mode not in ('warp', 'square'):
            raise ValueError(f"crop_mode is {given.crop_mode!r}; expected 'warp' or 'square'")
        if self.size <= 2 * given.context_pad:
            raise ValueError(f'context_pad {given.context_pad} on both sides leaves nothing of a '
                             f'crop_size of {self.size}; expected less than half of it')
        windows, self.channels = read_windows(given.source, given.root_folder)
        self.objects = [w for w in windows if w.overlap >= np.float32(given.fg_threshold)]
        self.background = [w for w in windows if w.overlap < np.float32(given.bg_threshold)
                           and w.overlap < np.float32(given.fg_threshold)]
        if not self.objects or not self.background:
            raise ValueError(f'{given.source}: {len(self.objects)} object and '
                             f'{len(self.background)} background windows; expected some of both')
        if min(w.label for w in self.objects) < 1:
            raise ValueError(f'{given.source}: an object window has class 0; expected 1 or more')
        return len(windows)

    def nth(self, item: int) -> tuple[Arrays, str]:
        given, transform = self.param.window_data_param, self.param.transform_param
        random = np.random.RandomState([self.seed, item & 0xffffffff, item >> 32])
        is_object = item % self.batch >= self.batch - int(np.float32(self.batch)
                                                          * np.float32(given.fg_fraction))
        pool = self.objects if is_object else self.background
        window = pool[random.randint(len(pool))]
        mirror = transform.mirror and bool(random.randint(2))
        pixels = read_image(window.path, color=True)
        planned = plan(window.box, pixels.shape[1:], self.size, given.context_pad,
                       given.crop_mode == 'square', mirror)
        try:
            part = warp(pixels, planned, mirror)
        except ValueError as error:
            raise ValueError(f'{window.path} (in {given.source}): {error}') from None
        out: np.ndarray = np.zeros((len(pixels), self.size, self.size), self.transformer.dtype)
        rows = slice(planned.top, planned.top + part.shape[1])
        columns = slice(planned.left, planned.left + part.shape[2])
        out[:, rows, columns] = (part - self._mean(rows, columns)) * given.scale
        label = window.label if is_object else 0
        return (out, np.array(label, np.float32)), window.path

    def _mean(self, rows: slice, columns: slice) -> np.ndarray | float:
        mean = self.transformer.mean
        if mean is None or mean.shape[1:] == (1, 1):
            return 0.0 if mean is None else mean
        off = (mean.shape[2] - self.size) // 2
        return mean[:, rows.start + off:rows.stop + off, columns.start + off:columns.stop + off]
