"""Read and write .caffemodel: a binary NetParameter whose layers carry blobs.

Three generations are read: V2 `layer`, V1 `layers`, and V0, a `layer` inside each of `layers`
(Caffe: Net::CopyTrainedLayersFrom, Net::ToProto, Blob::FromProto). V2 is written.
"""

import logging
import mmap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import NamedTuple

import numpy as np

from netspec.schema.files import write_atomic
from netspec.schema.messages import V1LayerParameter
from netspec.schema.upgrade import V2_TYPES
from netspec.schema.upgrade_v0 import V1_TYPES

from . import wire
from .foreign import foreign, magic

log = logging.getLogger(__name__)

LEGACY_DIMS = (1, 2, 3, 4)                         # BlobProto num, channels, height, width
DATA, SHAPE, DOUBLE_DATA = 5, 7, 8                 # BlobProto
DIFF, DOUBLE_DIFF = 6, 9
NET_NAME, NET_LAYERS, NET_LAYER = 1, 2, 100        # NetParameter
NET_WIRES = {1: wire.BYTES, 2: wire.BYTES, 3: wire.BYTES, 5: wire.VARINT, 6: wire.BYTES,
             7: wire.VARINT, 8: wire.BYTES, 100: wire.BYTES}
V0_LAYER = 1                                       # V1LayerParameter.layer
PROTOBUF_LIMIT = 2 ** 31 - 1                       # bytes that protobuf, and so Caffe, can parse


class Fields(NamedTuple):
    """The numbers of the fields that matter in one generation's layer message."""

    version: str
    name: int
    type: int
    blobs: int


V2, V1, V0 = Fields('V2', 1, 2, 7), Fields('V1', 4, 5, 6), Fields('V0', 1, 2, 50)


class Weights(dict):
    """Layer name -> its blobs, in the file's order; what else the file said in attributes.

    types: layer name -> type of every layer, those without blobs too ('' where the file does not
    say). version: 'V2', 'V1', 'V0' or 'HDF5'. name: of the net. path: of the file.
    """

    def __init__(self, layers: Mapping[str, list[np.ndarray]] | None = None,
                 types: Mapping[str, str] | None = None, version: str = 'V2', name: str = '',
                 path: str = ''):
        super().__init__(layers or {})
        self.types = dict(types or {})
        self.version, self.name, self.path = version, name, path


def read_caffemodel(path: str | Path) -> Weights:
    """Read the weights of a binary .caffemodel of any generation, without copying them.

    Returns layer name -> blobs: float32 arrays (float64 where the file holds doubles) laid over a
    private memory map. They may be written to: the pages written become the process's own, the
    file stays. Replacing the file meanwhile is safe, overwriting it in place is not. A blob need
    not begin at a multiple of 4 bytes; numpy and torch.from_numpy accept that, and a reader that
    keeps the weights copies them into its own (aligned) arrays anyway. Layers without blobs appear
    in `.types` only. Where a name comes twice the later blobs count, as in Caffe. Raises
    FileNotFoundError, or ValueError for a truncated, damaged or foreign file.
    """
    what = foreign(magic(path))
    if what:
        raise ValueError(f'{path}: not a .caffemodel but {what}')
    with open(path, 'rb') as file:
        buf = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    weights = Weights(path=str(path))
    try:
        _walk_net(buf, weights)
    except wire.WireError as error:
        last = list(weights.types)[-1] if weights.types else None
        where = f'after layer {last!r}' if last else 'before any layer'
        raise ValueError(f'{path}: truncated, damaged or not a .caffemodel, {where}: {error} '
                         f'(file of {len(buf)} bytes); copy or download it again') from None
    if not weights.types:
        raise ValueError(f'{path}: not a .caffemodel: it holds no layer')
    return weights


def _walk_net(buf: mmap.mmap, weights: Weights) -> None:
    """Fill `weights` from the NetParameter in `buf`."""
    for field in wire.fields(buf, 0, len(buf)):
        if NET_WIRES.get(field.number, field.wire) != field.wire and field.number != 4:
            raise wire.WireError(f'byte {field.start}: field {field.number} is no NetParameter\'s')
        if field.number == NET_NAME:
            weights.name = wire.text(buf, field)
        elif field.number in (NET_LAYER, NET_LAYERS):
            _walk_layer(buf, field, V2 if field.number == NET_LAYER else V1, weights)


def _walk_layer(buf: mmap.mmap, layer: wire.Field, numbers: Fields, weights: Weights) -> None:
    """Add the layer message at `layer` to `weights`."""
    name, kind, blobs = '', '', []
    for field in wire.fields(buf, layer.start, layer.stop):
        if numbers is V1 and field.number == V0_LAYER:
            return _walk_layer(buf, field, V0, weights)
        if field.number == numbers.name:
            name = wire.text(buf, field)
        elif field.number == numbers.type:
            kind = _type_name(buf, field, numbers)
        elif field.number == numbers.blobs:
            blobs.append(field)
    weights.version = numbers.version
    weights.types[name] = kind
    if blobs:
        if name in weights:
            log.warning('%s: layer %r comes twice; the later blobs count', weights.path, name)
        weights[name] = [_read_blob(buf, blob, f'{weights.path}: layer {name!r} blob {i}')
                         for i, blob in enumerate(blobs)]


def _type_name(buf: mmap.mmap, field: wire.Field, numbers: Fields) -> str:
    """Return a layer's type by its V2 name; '' where an old file holds an unknown one."""
    if numbers is V2:
        return wire.text(buf, field)
    if numbers is V0:
        return V2_TYPES.get(V1_TYPES.get(wire.text(buf, field), ''), '')
    known = V1LayerParameter.LayerType.values()
    if field.value not in known:
        return ''
    return V2_TYPES[V1LayerParameter.LayerType.Name(field.value)]


def _read_blob(buf: mmap.mmap, blob: wire.Field, where: str) -> np.ndarray:
    """Lay an array over the BlobProto at `blob`, in its shape."""
    legacy, shape, chunks = {}, None, {DATA: [], DOUBLE_DATA: []}
    for field in wire.fields(buf, blob.start, blob.stop):
        if field.number in LEGACY_DIMS:
            legacy[field.number] = field.value
        elif field.number == SHAPE:
            shape = (shape or []) + _read_dims(buf, field)
        elif field.number in chunks:
            dtype = '<f4' if field.number == DATA else '<f8'
            chunks[field.number].append(wire.floats(buf, field, dtype))
    parts = chunks[DOUBLE_DATA] or chunks[DATA] or [np.zeros(0, np.float32)]
    data = parts[0] if len(parts) == 1 else np.concatenate(parts)
    if legacy:                                     # Blob::FromProto: they outrank a shape
        shape = [legacy.get(number, 0) for number in LEGACY_DIMS]
    if shape is None:
        shape = [] if data.size == 1 else [data.size]
    if prod(shape) != data.size or min(shape, default=0) < 0:
        raise ValueError(f'{where}: shape {tuple(shape)} asks for {prod(shape)} values, the file '
                         f'holds {data.size}; the file is damaged or holds no trained weights')
    return data.reshape(shape)


def _read_dims(buf: mmap.mmap, shape: wire.Field) -> list[int]:
    """Read a BlobShape."""
    return [dim for field in wire.fields(buf, shape.start, shape.stop) if field.number == 1
            for dim in wire.varints(buf, field)]


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
    layers = [_Layer(layer, types.get(layer, ''), blobs, (diffs or {}).get(layer))
              for layer, blobs in weights.items()]
    total = sum(layer.size for layer in layers)
    if total > PROTOBUF_LIMIT:
        log.warning('%s: %d bytes; Caffe and protobuf read no message over 2 GiB', path, total)
    write_atomic(path, _net_parts(name or getattr(weights, 'name', ''), layers))


def _net_parts(name: str, layers: Iterable['_Layer']) -> Iterator[bytes | memoryview]:
    """Yield a NetParameter piece by piece."""
    if name:
        yield wire.encode_text(NET_NAME, name)
    for layer in layers:
        yield from layer.parts()


class _Layer:
    """One layer on its way out: a LayerParameter of name, type and blobs."""

    def __init__(self, name: str, kind: str, blobs: Sequence[np.ndarray],
                 diffs: Sequence[np.ndarray] | None):
        self.head = wire.encode_text(V2.name, name)
        self.head += wire.encode_text(V2.type, kind) if kind else b''
        self.blobs = []
        for i, blob in enumerate(blobs):
            if blob is None:
                raise ValueError(f'layer {name!r} blob {i} is missing; a .caffemodel needs all')
            if diffs and np.shape(diffs[i]) != np.shape(blob):
                raise ValueError(f'layer {name!r} blob {i}: data {np.shape(blob)} and diff '
                                 f'{np.shape(diffs[i])} differ in shape')
            self.blobs.append(_Blob(blob, diffs[i] if diffs else None))
        inside = len(self.head) + sum(blob.size for blob in self.blobs)
        self.head = wire.encode_header(NET_LAYER, inside) + self.head
        self.size = inside + len(self.head)

    def parts(self) -> Iterator[bytes | memoryview]:
        """Yield the layer piece by piece."""
        yield self.head
        for blob in self.blobs:
            yield from blob.parts()


class _Blob:
    """One blob on its way out: the BlobProto's few bytes, and the arrays' own memory.

    Fields go out in the order of their numbers, so that the file is byte for byte what protobuf
    would make of the same message.
    """

    def __init__(self, data: np.ndarray, diff: np.ndarray | None):
        dims = b''.join(wire.encode_varint(dim) for dim in np.shape(data))
        shape = wire.encode_bytes(SHAPE, wire.encode_bytes(1, dims) if dims else b'')
        pieces = [(SHAPE, shape, None, '')]
        for single, double, array in ((DATA, DOUBLE_DATA, data), (DIFF, DOUBLE_DIFF, diff)):
            if array is not None and np.size(array):
                number, dtype = (double, '<f8') if _is_double(array) else (single, '<f4')
                head = wire.encode_header(number, np.size(array) * int(dtype[2:]))
                pieces.append((number, head, np.asarray(array), dtype))
        self.pieces = sorted(pieces, key=lambda piece: piece[0])
        inside = sum(len(head) + (array.size * int(dtype[2:]) if dtype else 0)
                     for _, head, array, dtype in self.pieces)
        self.head = wire.encode_header(V2.blobs, inside)
        self.size = len(self.head) + inside

    def parts(self) -> Iterator[bytes | memoryview]:
        """Yield the blob piece by piece; at most one array is converted at a time."""
        yield self.head
        for _, head, array, dtype in self.pieces:
            yield head
            if dtype:
                yield np.ascontiguousarray(array, dtype).reshape(-1).view(np.uint8).data


def _is_double(array: np.ndarray) -> bool:
    return np.asarray(array).dtype == np.float64
