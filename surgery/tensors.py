"""Weights as tensors named '<layer>.<index>': .npz and .safetensors.

port.Net's state_dict has the same names, and so has every file of tensors that we write. The index
is what follows the last dot, as a layer's name may hold dots and slashes.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np

from netspec.schema.files import write_atomic

from .caffemodel import Weights

KEY = re.compile(r'(.+)\.(0|[1-9]\d{0,5})', re.DOTALL)
PACKED = 1100                                      # deflate packs zeros 1032 to 1
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
    except (zipfile.BadZipFile, NotImplementedError):
        return Path(path).suffix == '.npz'         # and a damaged one
    return bool(names) and all(name.endswith('.npy') for name in names)


def read_npz(path: str | Path) -> dict[str, np.ndarray]:
    """Read the arrays of an .npz; ValueError for a damaged one, or one that needs unpickling."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_unpacked(path, archive)
            members = {info.filename.removesuffix('.npy'): info for info in archive.infolist()}
            tensors = {key: _read_npy(path, key, archive.read(info))
                       for key, info in members.items()}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError,
            NotImplementedError) as error:
        raise ValueError(f'{path}: truncated or damaged .npz: {error}') from None
    return {key: _wide(path, key, array) for key, array in tensors.items()}


def _check_unpacked(path: str | Path, archive: zipfile.ZipFile) -> None:
    """Raise ValueError for an archive that would grow beyond what deflate can have packed."""
    held, unpacked = Path(path).stat().st_size, sum(i.file_size for i in archive.infolist())
    if unpacked > PACKED * held:
        raise ValueError(f'{path}: damaged .npz: it would grow from {held:,} to {unpacked:,} bytes')


def _read_npy(path: str | Path, key: str, raw: bytes) -> np.ndarray:
    """Read a .npy of numbers (numpy.lib.format); ValueError where it holds fewer than it says."""
    stream = io.BytesIO(raw)
    try:
        version = np.lib.format.read_magic(stream)
        read = {(1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0}[version]
        shape, columns_first, dtype = read(stream)
    except Exception as error:                     # NumPy's tokenizer raises kinds of its own
        raise ValueError(f'{path}: truncated or damaged .npz: {error}') from None
    if dtype.hasobject:
        raise ValueError(f'{path}: holds Python objects, which are never unpickled; save plain '
                         'arrays')
    if dtype.kind not in 'biuf':
        raise ValueError(f'{path}: tensor {key!r} is {dtype}; expected floats')
    count, begin = prod(shape), stream.tell()
    asked, held = count * dtype.itemsize, len(raw) - begin
    if asked > held or min(shape, default=0) < 0:
        raise ValueError(f'{path}: truncated or damaged .npz: tensor {key!r} of shape '
                         f'{list(shape)} asks for {asked:,} bytes, it holds {held:,}')
    array = np.frombuffer(raw, dtype, count, begin) if count else np.zeros(0, dtype)
    return array.reshape(shape, order='F' if columns_first else 'C').copy()


def write_npz(path: str | Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write arrays by name, not compressed; whole or not at all."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w') as archive:        # np.savez cannot name one `file`
        for key, array in tensors.items():
            with archive.open(f'{key}.npy', 'w', force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    write_atomic(path, [buffer.getbuffer()])


def _wide(path: str | Path, key: str, array: np.ndarray) -> np.ndarray:
    """Return float32 for half precision; leave float32, float64 and integers."""
    array = array.astype(array.dtype.newbyteorder('='), copy=False)
    if array.dtype.kind in 'iu' or array.dtype.name in WIDER:
        return array.astype(WIDER.get(array.dtype.name, array.dtype), copy=False)
    raise ValueError(f'{path}: tensor {key!r} is {array.dtype}; expected floats')


SAFETENSORS = {'<f8': 'F64', '<f4': 'F32', '<f2': 'F16', '<i8': 'I64', '<i4': 'I32', '<i2': 'I16',
               '|i1': 'I8', '<u8': 'U64', '<u4': 'U32', '<u2': 'U16', '|u1': 'U8'}


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
    # Written here, for the library puts metadata in another order each time.
    plain = {key: np.ascontiguousarray(array).reshape(array.shape)
             for key, array in tensors.items()}
    header: dict[str, object] = {'__metadata__': dict(metadata)} if metadata else {}
    end = 0
    for key, array in plain.items():
        begin, end = end, end + array.nbytes
        header[key] = {'dtype': SAFETENSORS[array.dtype.newbyteorder('<').str],
                       'shape': [*array.shape], 'data_offsets': [begin, end]}
    text = json.dumps(header, separators=(',', ':')).encode()
    text += b' ' * (-len(text) % 8)
    numbers = (array.astype(array.dtype.newbyteorder('<'), copy=False).reshape(-1).view(np.uint8)
               for array in plain.values())
    write_atomic(path, [len(text).to_bytes(8, 'little'), text, *(part.data for part in numbers)])


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
