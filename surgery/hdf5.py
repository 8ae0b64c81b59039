"""Read and write .caffemodel.h5: /data/<layer>/<index of the blob> (Caffe: Net::ToHDF5)."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from .caffemodel import Weights
from .foreign import HDF5_MAGIC, foreign, magic
from .hdf5_files import Hdf5, new_hdf5, open_hdf5
from .tensors import MAX_BLOBS


def read_hdf5(path: str | Path) -> Weights:
    """Read the weights of a .caffemodel.h5; layers come in the order of their names.

    A layer's name may hold '/'. Caffe leaves out a blob that is shared from another layer: it
    reads as None. Types are not in such a file. Raises FileNotFoundError, or ValueError for a
    file that is not HDF5, is truncated, holds no /data, or keeps numbers elsewhere.
    """
    head = magic(path)
    if not head.startswith(HDF5_MAGIC):
        raise ValueError(f'{path}: not a .caffemodel.h5 but {foreign(head) or "another binary"}')
    with open_hdf5(path) as file:
        if not hasattr(file.find('data'), 'visititems'):
            raise ValueError(f'{path}: an HDF5 file without /data; Caffe keeps weights there')
        found = _blobs(file)
    layers = {layer: [blobs.get(i) for i in range(max(blobs) + 1)]
              for layer, blobs in found.items()}
    return Weights(layers, dict.fromkeys(layers, ''), 'HDF5', path=str(path))


def _blobs(file: Hdf5) -> dict[str, dict[int, np.ndarray]]:
    """Return {layer: {index: array}} of all that lies below /data."""
    found: dict[str, dict[int, np.ndarray]] = {}

    def visit(name: str, node: Any) -> None:
        layer, _, index = name.rpartition('/')
        if not hasattr(node, 'dtype') or not re.fullmatch('[0-9]+', index):
            return
        if len(index) > len(str(MAX_BLOBS)) or int(index) >= MAX_BLOBS:
            raise ValueError(f'{file.path}: /data/{name}: no layer has {index} blobs')
        found.setdefault(layer, {})[int(index)] = file.read(node)
    file.find('data').visititems(visit)
    return found


Blobs = Sequence[np.ndarray | None]


def write_hdf5(path: str | Path, weights: Mapping[str, Blobs],
               diffs: Mapping[str, Blobs] | None = None) -> None:
    """Write {layer: [blob, …]} as a .caffemodel.h5 that Caffe reads; whole or not at all.

    float64 blobs stay doubles, all else becomes float32. `diffs`, of the same form, go to /diff.
    """
    with new_hdf5(path) as file:
        for root, layers in (('data', weights), ('diff', diffs)):
            if layers is not None:
                group = file.create_group(root)
                for layer, blobs in layers.items():
                    _write_layer(group.require_group(layer), blobs)


def _write_layer(group: Any, blobs: Blobs) -> None:
    """Write one layer's blobs under their indices."""
    for i, blob in enumerate(blobs):
        if blob is not None:
            array = np.asarray(blob)
            dtype = '<f8' if array.dtype == np.float64 else '<f4'
            group.create_dataset(str(i), data=array.astype(dtype, copy=False))
