"""Weights as tensors under one flat name each, '<layer>.<index>': .npz and .safetensors.

So are port.Net's state_dict and every file of tensors that we write. The index is what follows
the last dot: a layer's name may hold dots and slashes.
"""

import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from netspec.schema.files import write_atomic

from .caffemodel import Weights

KEY = re.compile(r'(.+)\.(0|[1-9]\d{0,5})', re.DOTALL)
MAX_BLOBS = 1000                                   # of a layer; a larger index is damage
WIDER = {'float16': np.float32, 'float32': np.float32, 'float64': np.float64}


def flatten(weights: Mapping[str, Sequence[np.ndarray | None]]) -> dict[str, np.ndarray]:
    """Return {'<layer>.<index>': array}; float64 stays, all else becomes float32.

    Layers without blobs and blobs that are None (shared, in HDF5) are left out.
    """
    return {f'{layer}.{i}': _plain(np.asarray(blob)) for layer, blobs in weights.items()
            for i, blob in enumerate(blobs) if blob is not None}


def _plain(array: np.ndarray) -> np.ndarray:
    dtype = '<f8' if array.dtype == np.float64 else '<f4'
    return np.ascontiguousarray(array, dtype).reshape(array.shape)


def is_flat(tensors: Mapping[str, np.ndarray]) -> bool:
    """Tell whether these are '<layer>.<index>', not the names of another library."""
    return bool(tensors) and all(KEY.fullmatch(key) for key in tensors)


def unflatten(tensors: Mapping[str, np.ndarray], path: str | Path = '',
              types: Mapping[str, str] | None = None, name: str = '') -> Weights:
    """Undo flatten. An index that is missing below a layer's last reads as None.

    types: of the layers, in their order, where the file told them. Raises ValueError for an
    index that is out of all proportion.
    """
    found: dict[str, dict[int, np.ndarray]] = {layer: {} for layer in types or ()}
    for key, array in tensors.items():
        layer, _, index = key.rpartition('.')
        if int(index) >= MAX_BLOBS:
            raise ValueError(f'{path}: tensor {key!r}: no layer has {index} blobs')
        found.setdefault(layer, {})[int(index)] = array
    layers = {layer: [blobs.get(i) for i in range(max(blobs) + 1)]
              for layer, blobs in found.items() if blobs}
    return Weights(layers, types or dict.fromkeys(layers, ''), 'tensors', name, str(path))


# -- .npz ------------------------------------------------------------------------------------------

def is_npz(path: str | Path) -> bool:
    """Tell whether a zip archive is NumPy's."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return Path(path).suffix == '.npz'         # and a damaged one
    return bool(names) and all(name.endswith('.npy') for name in names)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz; ValueError for a damaged one, or one that needs unpickling."""
    try:
        with open(path, 'rb') as stream, np.load(stream, allow_pickle=False) as file:
            tensors = {key: file[key] for key in file.files}
    except (zipfile.BadZipFile, EOFError, OSError) as error:
        raise ValueError(f'{path}: truncated or damaged .npz: {error}') from None
    except ValueError as error:                    # NumPy's, of an array of objects
        raise ValueError(f'{path}: holds Python objects, which are never unpickled, or is damaged; '
                         f'save plain arrays ({error})') from None
    return {key: _wide(path, key, array) for key, array in tensors.items()}


def write_npz(path: str | Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, not compressed; whole or not at all."""
    buffer = io.BytesIO()
    np.savez(buffer, **dict[str, Any](tensors))
    write_atomic(path, [buffer.getbuffer()])


def _wide(path: str | Path, key: str, array: np.ndarray) -> np.ndarray:
    """Return float32 for half precision; leave float32, float64 and integers."""
    array = array.astype(array.dtype.newbyteorder('='), copy=False)
    if array.dtype.kind in 'iu' or array.dtype.name in WIDER:
        return array.astype(WIDER.get(array.dtype.name, array.dtype), copy=False)
    raise ValueError(f'{path}: tensor {key!r} is {array.dtype}; expected floats')


# -- .safetensors ----------------------------------------------------------------------------------

def read_safetensors(path: str | Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read tensors, bfloat16 and float16 as float32, and the file's metadata.

    Raises ValueError for a damaged file or another number format.
    """
    from safetensors import SafetensorError, safe_open
    tensors: dict[str, np.ndarray] = {}
    try:
        with safe_open(path, 'np') as file:
            for key in file.keys():                # it is no mapping
                kind = file.get_slice(key).get_dtype()
                if kind == 'BF16':
                    tensors |= _brain_floats(path)
                    continue
                if kind[0] not in 'FIU' or kind.startswith('F8'):
                    raise ValueError(f'{path}: tensor {key!r} is {kind}; expected F32 or F16')
                tensors[key] = _wide(path, key, file.get_tensor(key))
            return tensors, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f'{path}: truncated or damaged safetensors file: {error}') from None


def _brain_floats(path: str | Path) -> dict[str, np.ndarray]:
    """Return all bfloat16 tensors of a file: the upper halves of float32."""
    from safetensors import deserialize
    return {key: (np.frombuffer(tensor['data'], '<u2').astype('<u4') << 16).view('<f4')
            .reshape(tensor['shape'])
            for key, tensor in deserialize(Path(path).read_bytes()) if tensor['dtype'] == 'BF16'}


def write_safetensors(path: str | Path, tensors: Mapping[str, np.ndarray],
                      metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors by name; whole or not at all."""
    from safetensors.numpy import save
    whole = {key: np.ascontiguousarray(array).reshape(array.shape)
             for key, array in tensors.items()}    # save writes what is not contiguous wrongly
    write_atomic(path, [save(whole, dict(metadata or {}) or None)])


def layer_notes(weights: Mapping[str, Sequence]) -> dict[str, str]:
    """Return the metadata that keep the layers' order and types, and the net's name."""
    types = getattr(weights, 'types', {})
    layers = {layer: types.get(layer, '') for layer in {**types, **weights}}
    return {'layers': json.dumps(layers), 'net': getattr(weights, 'name', '')}


def read_notes(metadata: Mapping[str, str]) -> tuple[dict[str, str] | None, str]:
    """Return types and net name from a file's metadata, where they are ours."""
    try:
        types = json.loads(metadata.get('layers', 'null'))
    except ValueError:
        types = None
    if not (isinstance(types, dict) and all(isinstance(kind, str) for kind in types.values())):
        types = None
    return types, metadata.get('net', '')
