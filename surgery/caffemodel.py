"""Read and write .caffemodel: a binary NetParameter whose layers carry blobs.

Three generations are read: V2 `layer`, V1 `layers`, and V0, a `layer` inside each of `layers`
(Caffe: Net::CopyTrainedLayersFrom, Net::ToProto, Blob::FromProto). V2 is written.
"""

import logging
import mmap
from collections.abc import Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.schema.blobs import blob_parts
from netspec.schema.deeplab_numbers import v1_type
from netspec.schema.files import write_atomic
from netspec.schema.messages import V1LayerParameter
from netspec.schema.upgrade import V2_TYPES
from netspec.schema.upgrade_v0 import V1_TYPES
from netspec.schema.wire import BYTES, Field, WireError, fields, tagged

from .foreign import foreign, magic
from .weight_fields import floats, integer, integers, payload, runs, text

log = logging.getLogger(__name__)

LEGACY_DIMS = (1, 2, 3, 4)                         # BlobProto num, channels, height, width
DATA, DIFF, SHAPE, DOUBLE_DATA, DOUBLE_DIFF = 5, 6, 7, 8, 9     # BlobProto
NET_NAME, NET_LAYERS, NET_LAYER = 1, 2, 100        # NetParameter
V0_LAYER = 1                                       # V1LayerParameter.layer
PROTOBUF_LIMIT = 2 ** 31 - 1                       # bytes that protobuf, and so Caffe, can parse


class Numbers(NamedTuple):
    """The fields that matter in one generation's layer message."""

    version: str
    name: int
    type: int
    blobs: int


V2, V1, V0 = Numbers('V2', 1, 2, 7), Numbers('V1', 4, 5, 6), Numbers('V0', 1, 2, 50)


class Weights(dict):
    """Layer name -> its blobs, in the file's order; what else the file said in attributes.

    types: layer name -> type of every layer, those without blobs too ('' where the file does not
    say). version: 'V2', 'V1', 'V0', 'HDF5', 'tensors', or the library whose names were translated.
    name: of the net. path: of the file. diffs: layer name -> the gradients beside its blobs, None
    for a blob without (SolverParameter.snapshot_diff); of layers that have any.
    """

    def __init__(self, layers: Mapping[str, Sequence[np.ndarray | None]] | None = None,
                 types: Mapping[str, str] | None = None, version: str = 'V2', name: str = '',
                 path: str = ''):
        super().__init__(layers or {})
        self.types = dict(types or {})
        self.version, self.name, self.path = version, name, path
        self.diffs: dict[str, list[np.ndarray | None]] = {}


def read_caffemodel(path: str | Path) -> Weights:
    """Read the weights of a binary .caffemodel of any generation, without copying them.

    Returns layer name -> blobs: float32 arrays (float64 where the file holds doubles) laid over a
    private memory map. They may be written to: the pages written become the process's own, the
    file stays. Replacing the file meanwhile is safe, overwriting it in place is not. A blob need
    not begin at a multiple of 4 bytes; numpy and torch.from_numpy accept that, and whoever keeps
    the weights copies them into aligned arrays anyway. Layers without blobs appear in `.types`
    only. Where a name comes twice the later blobs count, as in Caffe. Raises FileNotFoundError,
    or ValueError for a truncated, damaged or foreign file.
    """
    what = foreign(magic(path))
    if what:
        raise ValueError(f'{path}: expected a .caffemodel, this is {what}')
    with open(path, 'rb') as file:
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    weights = Weights(path=str(path))
    try:
        _read_layers(view, weights)
    except WireError as error:
        where = f'after layer {list(weights.types)[-1]!r}' if weights.types else 'at its beginning'
        what = 'the file is cut off' if error.cut else 'no .caffemodel, or a damaged one,'
        raise ValueError(f'{path}: {what} {where}: {error}, the file has {len(view)}; '
                         'fetch or copy it again') from None
    if not weights.types:
        raise ValueError(f'{path}: expected a .caffemodel, this holds no layer')
    return weights


def _read_layers(view: memoryview, weights: Weights) -> None:
    """Fill `weights` from the NetParameter in `view`."""
    for field in fields(view):
        if field.number not in (NET_NAME, NET_LAYERS, NET_LAYER):
            continue
        if field.kind != BYTES:
            raise WireError(f'field {field.number} is not a NetParameter\'s', field.start, False)
        if field.number == NET_NAME:
            weights.name = text(view, field)
            continue
        try:
            _read_layer(payload(view, field), V2 if field.number == NET_LAYER else V1, weights)
        except WireError as error:                 # the file goes on behind: it is not cut off
            raise WireError(f'the layer begun here is damaged ({error})', field.start,
                            False) from None


def _read_layer(view: memoryview, numbers: Numbers, weights: Weights) -> None:
    """Add one layer message to `weights`."""
    name, kind, blobs, present = '', '', [], list(fields(view))
    for field in present:
        if numbers is V1 and field.number == V0_LAYER:
            return _read_layer(payload(view, field), V0, weights)
        if field.number == numbers.name:
            name = text(view, field)
        elif field.number == numbers.type:
            kind = _type_name(view, field, numbers, {other.number for other in present})
        elif field.number == numbers.blobs:
            blobs.append(payload(view, field))
    if name in weights and blobs:
        log.warning('%s: layer %r comes twice; the later blobs count', weights.path, name)
    weights.version = numbers.version
    if blobs:
        pairs = [_read_blob(blob, f'{weights.path}: layer {name!r} blob {i}')
                 for i, blob in enumerate(blobs)]
        weights[name] = [data for data, _ in pairs]
        weights.diffs.pop(name, None)
        if any(diff is not None for _, diff in pairs):
            weights.diffs[name] = [diff for _, diff in pairs]
    weights.types[name] = kind


def _type_name(view: memoryview, field: Field, numbers: Numbers, present: set[int]) -> str:
    """Return a layer's type by its V2 name; '' where an old file holds an unknown one.

    `present`: the numbers of the layer's fields, by which a V1 type of DeepLab's is known.
    """
    if numbers is V2:
        return text(view, field)
    if numbers is V0:
        return V2_TYPES.get(V1_TYPES.get(text(view, field), ''), '')
    value, known = v1_type(integer(view, field), present), V1LayerParameter.LayerType
    return V2_TYPES[known.Name(value)] if value in known.values() else ''


def _read_blob(view: memoryview, where: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Lay arrays over a BlobProto's data and its diff, if it has one, in its shape."""
    legacy, shape = {}, None
    chunks: dict[int, list[np.ndarray]] = {DATA: [], DOUBLE_DATA: [], DIFF: [], DOUBLE_DIFF: []}
    for field, stride in runs(view):
        if field.number in LEGACY_DIMS:
            legacy[field.number] = integer(view, field)
        elif field.number == SHAPE:
            shape = (shape or []) + _read_dims(payload(view, field))
        elif field.number in chunks:
            dtype = '<f4' if field.number in (DATA, DIFF) else '<f8'
            chunks[field.number].append(floats(view, field, stride, dtype))
    data = _joined(chunks[DOUBLE_DATA] or chunks[DATA] or [np.zeros(0, np.float32)])
    if legacy:                                     # Blob::FromProto: they outrank a shape
        shape = [legacy.get(number, 0) for number in LEGACY_DIMS]
    if shape is None:
        shape = [] if data.size == 1 else [data.size]
    if prod(shape) != data.size or min(shape, default=0) < 0:
        raise ValueError(f'{where}: shape {tuple(shape)} asks for {prod(shape)} values, the file '
                         f'holds {data.size}; it is damaged or was written without weights')
    if not chunks[DOUBLE_DIFF] and not chunks[DIFF]:
        return data.reshape(shape), None
    diff = _joined(chunks[DOUBLE_DIFF] or chunks[DIFF])
    if diff.size != data.size:
        raise ValueError(f'{where}: {data.size} values, but {diff.size} in its diff; the file is '
                         'damaged')
    return data.reshape(shape), diff.reshape(shape)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _read_dims(view: memoryview) -> list[int]:
    """Read a BlobShape."""
    return [dim for field in fields(view) if field.number == 1 for dim in integers(view, field)]


def write_caffemodel(path: str | Path, weights: Mapping[str, Sequence[np.ndarray]],
                     types: Mapping[str, str] | None = None, name: str = '',
                     diffs: Mapping[str, Sequence[np.ndarray]] | None = None) -> None:
    """Write {layer: [blob, …]} as a binary .caffemodel (V2) that Caffe and protobuf read.

    Streams: no second copy of the weights is made, whatever their size. The file appears whole or
    not at all. float64 blobs are written as doubles, all else as float32. `types` names the
    layers' types, `name` the net (both taken from a Weights where not given); `diffs`, of the
    same form as `weights`, stand beside the data (SolverParameter.snapshot_diff). Raises
    ValueError for a blob that is None or has another shape than its diff.
    """
    types = types if types is not None else getattr(weights, 'types', {})
    name = name or getattr(weights, 'name', '')
    size = 0

    def parts() -> Iterator[bytes | memoryview]:
        nonlocal size
        if name:
            yield _string(NET_NAME, name)
        for layer, blobs in weights.items():
            for part in _layer_parts(layer, types.get(layer, ''), blobs, (diffs or {}).get(layer)):
                size += len(part)
                yield part
    write_atomic(path, parts())
    if size > PROTOBUF_LIMIT:
        log.warning('%s: %d bytes; Caffe and protobuf read no message over 2 GiB: write HDF5',
                    path, size)


def _layer_parts(name: str, kind: str, blobs: Sequence[np.ndarray],
                 diffs: Sequence[np.ndarray] | None) -> list[bytes | memoryview]:
    """Return one LayerParameter of name, type and blobs in pieces; the numbers are views."""
    inside: list[bytes | memoryview] = [_string(V2.name, name)]
    if kind:
        inside.append(_string(V2.type, kind))
    for i, blob in enumerate(blobs):
        if blob is None:
            raise ValueError(f'layer {name!r} blob {i}: expected an array, got none')
        blob, diff = np.asarray(blob), np.asarray(diffs[i]) if diffs else None
        if diff is not None and diff.shape != blob.shape:
            raise ValueError(f'layer {name!r} blob {i}: the diff has shape {diff.shape}, '
                             f'the data {blob.shape}')
        pieces = list(blob_parts(blob, diff, double=blob.dtype == np.float64))
        inside += [tagged(V2.blobs, sum(map(len, pieces))), *pieces]
    return [tagged(NET_LAYER, sum(map(len, inside))), *inside]


def _string(number: int, value: str) -> bytes:
    encoded = value.encode('utf-8', 'surrogateescape')
    return tagged(number, len(encoded)) + encoded
