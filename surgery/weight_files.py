"""Weights by content, whatever the file is called: one reader, one writer.

.caffemodel, .caffemodel.h5, .safetensors and .npz, the last two under our names or under
torchvision's, and SqueezeNet's weights by Deep Compression. Torch's own files need torch:
port.engine.torch_weights reads those and all of these.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from . import tensors as flat
from .caffemodel import Weights, read_caffemodel, write_caffemodel
from .deep_compression import is_compressed, read_compressed
from .foreign import HDF5_MAGIC, magic
from .hdf5 import read_hdf5, write_hdf5
from .pixels import Pixels
from .torchvision import to_caffe

ZIP_MAGIC = b'PK\x03\x04'


def read_weights(path: str | Path, mean: Sequence[float] | None = None,
                 pixels: Pixels | None = None, keep_norm: bool = False) -> Weights:
    """Read weights from any file named above, told apart by their first bytes.

    mean: blue green red, what the Caffe net subtracts from its pixels; pixels: what the weights
    were trained on; keep_norm: do not fold batch norm. All three count for torchvision's and timm's
    names only (see torchvision.to_caffe);
    without a mean such names are refused. Raises as read_caffemodel does.
    """
    head = magic(path)
    if head.startswith(HDF5_MAGIC):
        return read_hdf5(path)
    if head.startswith(ZIP_MAGIC) and flat.is_npz(path):
        return from_tensors(flat.read_npz(path), path, mean, pixels, keep_norm=keep_norm)
    if head[8:9] == b'{' and int.from_bytes(head[:8], 'little') < 1 << 32:
        tensors, notes = flat.read_safetensors(path)
        return from_tensors(tensors, path, mean, pixels, notes, keep_norm)
    if is_compressed(head, Path(path).stat().st_size):
        return read_compressed(path)
    return read_caffemodel(path)


def from_tensors(tensors: Mapping[str, np.ndarray], path: str | Path,
                 mean: Sequence[float] | None = None, pixels: Pixels | None = None,
                 notes: Mapping[str, str] | None = None, keep_norm: bool = False) -> Weights:
    """Return tensors of any known names as layers; ValueError naming the file where it is none."""
    if not tensors:
        raise ValueError(f'{path}: expected weights, it holds no tensor')
    if flat.is_flat(tensors):
        return flat.unflatten(tensors, path, *flat.read_notes(notes or {}))
    try:
        weights = to_caffe(tensors, mean if mean is not None else (0, 0, 0), pixels,
                           keep_norm)
    except ValueError as error:
        raise ValueError(f'{path}: {error}') from None
    if mean is None:
        raise ValueError(f'{path}: these are {weights.version}\'s {weights.name}: its first layer '
                         'must be rewritten for the mean of your net; run `fcn surgery` or '
                         '`fcn convert` first')
    weights.path = str(path)
    return weights


def write_weights(path: str | Path, weights: Mapping[str, Sequence[np.ndarray]]) -> None:
    """Write the form that the name ends in: .h5, .hdf5, .npz, .safetensors; else a .caffemodel."""
    suffix = Path(path).suffix.lower()
    if suffix == '.npz':
        flat.write_npz(path, flat.flatten(weights))
    elif suffix == '.safetensors':
        flat.write_safetensors(path, flat.flatten(weights), flat.layer_notes(weights))
    elif suffix in ('.h5', '.hdf5'):
        write_hdf5(path, weights)
    else:
        write_caffemodel(path, weights)
