"""MemoryData: batches out of arrays in memory (src/caffe/layers/memory_data_layer.cpp)."""

import logging
from collections.abc import Sequence

import numpy as np
import torch

from netspec.schema.messages import Datum
from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from port.images.transformer import Transformer
from port.layers.data import datum_pixels

log = logging.getLogger('port.net')


@layer('MemoryData')
class MemoryData(Layer):
    """memory_data_param { batch_size channels height width }; `reset` or `add` gives the data.

    Batches follow one another and begin anew at the end. Tops: data, and labels B x 1 x 1 x 1
    (only B before the first pass, as in Caffe). A third top, for DeepLab's deploy files, is
    data_dim, B x 1 x 1 x 2: the height and width of what counts of each item.
    """

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.memory_data_param
        self.batch = given.batch_size
        self.item = (given.channels, given.height, given.width)
        if not all((self.batch, *self.item)):
            raise ValueError('memory_data_param must give batch_size, channels, height and width, '
                             f'each positive; got {self.batch}, {", ".join(map(str, self.item))}')
        kind = np.float64 if self.dtype == torch.float64 else np.float32
        self.transformer = Transformer(self.param.transform_param, self.phase, kind)
        self.arrays: tuple[torch.Tensor, ...] | None = None
        self.at, self.fresh = 0, False
        top[0].reshape(self.batch, *self.item)
        top[1].reshape(self.batch)
        if len(top) > 2:
            top[2].reshape(self.batch, 1, 1, 2)

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        if self.arrays is None:
            raise ValueError('MemoryData holds no data yet; give it arrays first: '
                             'net.set_input_arrays(data, labels), or the layer\'s reset')
        for blob, array in zip(top, self.arrays, strict=False):
            blob.data = array[self.at:self.at + self.batch].to(self.device, self.dtype, copy=True)
        self.at = (self.at + self.batch) % len(self.arrays[0])
        self.fresh = self.fresh and self.at != 0

    def reset(self, data: np.ndarray, labels: np.ndarray,
              data_dim: np.ndarray | None = None) -> None:
        """Take arrays as they are, without transform_param: N x C x H x W and N labels.

        data_dim: N x 1 x 1 x 2, without it the whole H and W. The memory is shared. ValueError
        unless N is a multiple of the batch size.
        """
        self._hold(np.asarray(data), np.asarray(labels), data_dim)
        if self.param.HasField('transform_param'):
            log.warning('layer %s: MemoryData does not transform the arrays of reset', self.name)

    def add(self, datums: Sequence[Datum]) -> None:
        """Take Datums, transformed as transform_param says (Caffe's AddDatumVector)."""
        if self.fresh:
            raise ValueError('cannot add data until the current data has been consumed')
        seed = int(torch.randint(2 ** 31, ()))
        color = (True if self.param.transform_param.force_color else
                 False if self.param.transform_param.force_gray else None)
        images = [self.transformer(datum_pixels(datum, color), np.random.RandomState([seed, i]))
                  for i, datum in enumerate(datums)]
        self._hold(np.stack(images) if images else np.zeros((0, *self.item), np.float32),
                   np.array([datum.label for datum in datums], np.float32))
        self.fresh = True

    def set_batch_size(self, size: int) -> None:
        """Change the batch size from the next pass on."""
        if self.fresh:
            raise ValueError('cannot change the batch size until the current data is consumed')
        if size < 1 or (self.arrays is not None and len(self.arrays[0]) % size):
            raise ValueError(f'batch size {size} does not divide the data; give data that fits '
                             'first, or a size of 1 or more')
        self.batch, self.at = size, 0

    def _hold(self, data: np.ndarray, labels: np.ndarray,
              data_dim: np.ndarray | None = None) -> None:
        if data.shape[1:] != self.item or labels.size != len(data):
            raise ValueError(f'data has shape {list(data.shape)} and labels {list(labels.shape)}; '
                             f'expected N x {" x ".join(map(str, self.item))} and N labels')
        if not len(data) or len(data) % self.batch:
            raise ValueError(f'{len(data)} items do not make whole batches; expected a multiple of '
                             f'the batch size {self.batch}')
        own = np.array(self.item[1:], np.float32)
        dims = np.tile(own, (len(data), 1)) if data_dim is None else data_dim
        if np.size(dims) != 2 * len(data):
            raise ValueError(f'data_dim has shape {list(np.shape(dims))}; expected height and '
                             f'width of each item, {len(data)} x 1 x 1 x 2')
        self.arrays = (torch.as_tensor(data), torch.as_tensor(labels.reshape(-1, 1, 1, 1)),
                       torch.as_tensor(np.reshape(dims, (-1, 1, 1, 2))))
        self.at = 0
