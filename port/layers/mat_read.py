"""MatRead: tops out of MATLAB files, as MatWrite leaves them (DeepLab's mat_read_layer.cpp)."""

import numpy as np

from port.engine.registry import layer
from port.layers.bases.batch_layer import Arrays, BatchLayer
from port.layers.bases.mat_blobs import file_names, read_mat

ENDLESS = 1 << 62                # files named iter_k have no last one


@layer('MatRead')
class MatRead(BatchLayer):
    """Top i of item k is `data` in `prefix` + name + `_blob_i.mat`; batch_size items a pass.

    name: line k of `source` less its last `strip` characters, around and around; without a
    source `iter_k`. Each file holds one item. Caffe holds all to the first one's size; here a
    batch has one size.
    """

    def open_source(self) -> int:
        given = self.param.mat_read_param
        self.batch = given.batch_size
        self.names = file_names(given.source, given.strip) if given.source else []
        return len(self.names) or ENDLESS

    def item(self, index: int, random: np.random.RandomState | None) -> tuple[Arrays, str]:
        name = self.names[index] if self.names else f'iter_{index}'
        stem = self.param.mat_read_param.prefix + name
        return tuple(self._array(f'{stem}_blob_{i}.mat') for i in range(self.top_count)), stem

    def _array(self, path: str) -> np.ndarray:
        array = read_mat(path)
        if len(array) != 1:
            raise ValueError(f'{path}: holds {len(array)} items; expected 1')
        return array[0]
