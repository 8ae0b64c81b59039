"""Classifier layers sampled down: VGG16's fc6 and fc7 as DeepLab's nets begin with them.

DeepLab (arXiv 1412.7062, section 3.1) keeps some taps of fc6's 7 x 7 and some of the 4096 filters.
Which, the authors did not publish; SSD's net surgery, made after theirs, takes every k-th of each.
"""

from collections.abc import Sequence

import numpy as np

from .net_arrays import Net, array, arrays, has_layer, layer_names


def sample_down(new: Net, source: Net, layers: Sequence[str]
                ) -> tuple[Net, dict[str, str]]:
    """Return the source with those layers sampled down to the new net's shapes, and what was done.

    Layer fc6 fills the new net's fc6 or, where that has branches (ASPP), fc6_1, fc6_2, … alike. A
    layer that already has the new net's shape is left as it is. Raises ValueError where the new
    shape is larger.
    """
    if not layers:
        return source, {}
    found = {layer: arrays(source, layer) for layer in layer_names(source)}
    told: dict[str, str] = {}
    for layer in [layer for layer in layers if found.pop(layer, None)]:
        for target in branches(new, layer):
            shapes = [array(new, target, i).shape for i in range(len(arrays(new, target)))]
            blobs = [array(source, layer, i) for i in range(len(shapes))]
            found[target] = [fitted(layer, blob, shape)
                             for blob, shape in zip(blobs, shapes, strict=True)]
            if blobs[0].size != np.prod(shapes[0]):
                told[target] = f'{layer} sampled down to {" x ".join(map(str, shapes[0]))}'
            elif target != layer:
                told[target] = f'as {layer}'
    return found, told


def branches(net: Net, layer: str) -> list[str]:
    """Return the net's layers of that name, or of that name, an underscore and a number."""
    if has_layer(net, layer):
        return [layer]
    return [name for name in layer_names(net)
            if name.startswith(f'{layer}_') and name[len(layer) + 1:].isdecimal()]


def fitted(layer: str, blob: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return the blob's values at evenly spread places of each axis, so that `shape` is left.

    An inner product's weights are laid out as the window that they are: O x I x k x k.
    """
    if blob.size == np.prod(shape):
        return blob
    blob = _window(blob, shape)
    if blob.ndim != len(shape) or any(o < n for o, n in zip(blob.shape, shape, strict=True)):
        raise ValueError(f'layer {layer!r}: {blob.shape} cannot be sampled down to {shape}')
    for axis, (old, size) in enumerate(zip(blob.shape, shape, strict=True)):
        blob = blob.take(places(old, size, centred=axis > 1), axis)
    return blob


def places(old: int, size: int, centred: bool) -> np.ndarray:
    """Return which of `old` filters, or of the taps along an axis of a window, are kept.

    Filters: every (old / size)-th from the first. Taps: evenly from the first to the last, so
    that the window's centre stays: 0, 3, 6 or 0, 2, 4, 6 of 7; a single one is the middle.
    """
    if not centred:
        return np.arange(size) * (old // size)
    if size == 1:
        return np.array([(old - 1) // 2])
    return np.floor(np.arange(size) * (old - 1) / (size - 1) + 0.5).astype(int)


def _window(blob: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Lay weights out as filters with a window, biases in a row."""
    if len(shape) == 1:
        return blob.reshape(-1)
    if blob.ndim == 4 and blob.shape[:2] != (1, 1):
        return blob
    rows, columns = blob.shape[-2:]                    # 1 x 1 x O x I in old files
    # fc6 reads images of the trunk's channels, which it shares with the new net; fc7 single pixels.
    channels = shape[1] if columns % shape[1] == 0 and shape[2:] != (1, 1) else columns
    side = int(np.sqrt(columns // channels) + 0.5)
    if side * side * channels != columns:
        channels, side = columns, 1
    return blob.reshape(rows, channels, side, side)
