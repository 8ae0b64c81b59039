"""Weights by content, whatever the file is called: .caffemodel or .caffemodel.h5."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from .caffemodel import Weights, read_caffemodel, write_caffemodel
from .foreign import HDF5_MAGIC, magic
from .hdf5 import read_hdf5, write_hdf5


def read_weights(path: str | Path) -> Weights:
    """Read a .caffemodel or a .caffemodel.h5, told apart by their first bytes.

    Raises as read_caffemodel and read_hdf5 do.
    """
    return read_hdf5(path) if magic(path).startswith(HDF5_MAGIC) else read_caffemodel(path)


def write_weights(path: str | Path, weights: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write HDF5 where the name ends in .h5 or .hdf5, a binary .caffemodel otherwise."""
    if Path(path).suffix in ('.h5', '.hdf5'):
        write_hdf5(path, weights)
    else:
        write_caffemodel(path, weights)
