"""BatchLayer over a source in memory: counting, crops that follow the seed, mixed sizes."""

import numpy as np
import pytest

from netspec.schema.messages import TRAIN, LayerParameter
from port.engine.blob import Blob
from port.layers.bases.batch_layer import BatchLayer


class Numbers(BatchLayer):
    """Image i of five is 1 x 4 x 4, all i; its label is i."""

    sizes = [4] * 5

    def open_source(self):
        self.batch = self.param.image_data_param.batch_size
        return len(self.sizes)

    def read(self, index):
        size = self.sizes[index]
        pixels = np.arange(size * size, dtype='u1').reshape(1, size, size) + 20 * index
        return pixels, index, f'number {index}'


def made(batch=3, **transform):
    param = LayerParameter()
    param.image_data_param.batch_size = batch
    for key, value in transform.items():
        setattr(param.transform_param, key, value)
    layer, top = Numbers(param, TRAIN), [Blob('data'), Blob('label')]
    layer.setup([], top)
    return layer, top


def passes(layer, top, count):
    out = []
    for _ in range(count):
        layer.forward([], top)
        out.append((top[0].data.numpy().copy(), top[1].data.tolist()))
    return out


def test_items_are_counted_over_the_passes():
    layer, top = made()
    assert [labels for _, labels in passes(layer, top, 3)] == [[0, 1, 2], [3, 4, 0], [1, 2, 3]]
    assert layer.state()['item'] == 9


def test_crops_follow_seed_and_item():
    layer, top = made(crop_size=2, mirror=True)
    first = passes(layer, top, 6)
    other, top = made(crop_size=2, mirror=True)
    other.restore({**layer.state(), 'item': 6})
    for (a, _), (b, _) in zip(passes(other, top, 4), first[2:], strict=True):
        np.testing.assert_array_equal(a, b)
    crops = {tuple((image - 20 * label).reshape(-1)) for data, labels in first
             for image, label in zip(data, labels, strict=True)}
    assert len(crops) > 3


def test_refusals(monkeypatch):
    with pytest.raises(ValueError, match='batch_size is 0'):
        made(0)
    with pytest.raises(ValueError, match='number 0: crop_size is 9 but the image is 4 x 4'):
        made(crop_size=9)
    monkeypatch.setattr(Numbers, 'sizes', [4, 5])
    with pytest.raises(ValueError, match=r'number 0 gives \[1, 4, 4\] and number 1 \[1, 5, 5\]'):
        made(2)
    assert made(2, crop_size=3)[1][0].shape == (2, 1, 3, 3)
