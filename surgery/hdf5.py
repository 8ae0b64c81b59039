"""Read and write .caffemodel.h5: /data/<layer>/<index of the blob> (Caffe: Net::ToHDF5)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.schema import replacing

from .caffemodel import Weights
from .foreign import HDF5_MAGIC, foreign, magic


def read_hdf5(path: str | Path) -> Weights:
    """Read the weights of a .caffemodel.h5; layers come in the order of their names.

    A layer's name may hold '/'. Caffe leaves out a blob that is shared from another layer: it
    reads as None. Types are not in such a file. Raises FileNotFoundError, or ValueError for a
    file that is not HDF5, is truncated, or holds no /data.
    """
    import h5py
    head = magic(path)
    if not head.startswith(HDF5_MAGIC):
        raise ValueError(f'{path}: not a .caffemodel.h5 but {foreign(head) or "another binary"}')
    found: dict[str, dict[int, np.ndarray]] = {}

    def visit(name: str, node: object) -> None:
        layer, _, index = name.rpartition('/')
        if isinstance(node, h5py.Dataset) and index.isdigit():
            found.setdefault(layer, {})[int(index)] = node[()]
    try:
        with h5py.File(path, 'r') as file:
            if 'data' not in file:
                raise ValueError(f'{path}: an HDF5 file without /data; Caffe keeps weights there')
            file['data'].visititems(visit)
    except OSError as error:
        raise ValueError(f'{path}: truncated or damaged HDF5 file: {error}') from None
    layers = {layer: [blobs.get(i) for i in range(max(blobs) + 1)]
              for layer, blobs in found.items()}
    return Weights(layers, dict.fromkeys(layers, ''), 'HDF5', path=str(path))


def write_hdf5(path: str | Path, weights: Mapping[str, Sequence[np.ndarray]],
               diffs: Mapping[str, Sequence[np.ndarray]] | None = None) -> None:
    """Write {layer: [blob, …]} as a .caffemodel.h5 that Caffe reads; whole or not at all.

    float64 blobs stay doubles, all else becomes float32. `diffs`, of the same form, go to /diff.
    """
    import h5py
    try:
        with replacing(path) as beside, h5py.File(beside, 'w') as file:
            for root, layers in (('data', weights), ('diff', diffs)):
                group = None if layers is None else file.create_group(root)
                for layer, blobs in (layers or {}).items():
                    _write_layer(group.require_group(layer), blobs)
    except RuntimeError as error:                  # so HDF5 reports a full disk, now and then
        raise OSError(f'{path}: not written, and nothing was left behind: {error}') from error


def _write_layer(group: Any, blobs: Sequence[np.ndarray]) -> None:
    """Write one layer's blobs under their indices."""
    for i, blob in enumerate(blobs):
        if blob is not None:
            array = np.asarray(blob)
            dtype = '<f8' if array.dtype == np.float64 else '<f4'
            group.create_dataset(str(i), data=array.astype(dtype, copy=False))
