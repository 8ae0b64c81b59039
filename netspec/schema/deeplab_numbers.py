"""Reads binary nets of DeepLab's forks, which gave new fields numbers that BVLC uses otherwise.

The numbers are those of caffe.proto in TheLegendAli/DeepLab-Context (v1),
talent518/deeplab-public-ver2 (v2) and xmyqsh/deeplab-v2. The content of a net tells which fork
wrote it; our own numbers collide with none.
"""

import logging
from collections.abc import Collection, Iterator
from typing import NamedTuple

from netspec.schema.messages import LayerParameter, V1LayerParameter
from netspec.schema.wire import BYTES, VARINT, Field, fields, integer, tag, varint

log = logging.getLogger(__name__)

_NET_V1, _NET_LAYER = 2, 100  # NetParameter
_V1_TYPE, _V1_BLOBS, _V1_CONV, _V1_IMAGE, _V1_LOSS = 5, 6, 10, 15, 42  # V1LayerParameter
_V1_WEIGHTS = (2, 3, 4, 5, _V1_BLOBS)  # what stays of a layer that cannot be told: see _v1_layer
_TYPE = 2  # LayerParameter
_OURS = 8000  # ours = theirs + 8000 throughout, but for interp_param
_SEG_ACCURACY = 40
_V1_TYPES = range(40, 57)  # 39 as well, but that is BVLC's DECONVOLUTION
_V1_FIELDS = (*range(43, 60), 1003)  # 42 as well, but that is BVLC's loss_param
_HOLES = (17, 18, 19)  # ConvolutionParameter; BVLC: force_nd_im2col (a bool), dilation, nothing

_INTERP = LayerParameter.DESCRIPTOR.fields_by_name['interp_param'].number
# Layer type: its parameter's number in each fork's LayerParameter, and ours.
_V2_FIELDS = {
    'Interp': ((143, 153), _INTERP), 'SegAccuracy': ((144, 154), 8144),
    'MatWrite': ((145, 155), 8145), 'DenseCRF': ((146, 152), 8146),
    'DomainTransform': ((147,), 8147), 'AdaptiveBiasChannel': ((148,), 8148),
    'BiasChannel': ((149,), 8149), 'UniqueLabel': ((150,), 8150), 'MatRead': ((151,), 8151)}


class _Layer(NamedTuple):
    """A layer as it lies in the file."""

    view: memoryview
    fields: list[Field]

    def numbers(self) -> set[int]:
        """Return the numbers of the fields it has."""
        return {field.number for field in self.fields}

    def bytes(self, number: int) -> bytes:
        """Return the payload of its last field of a number, empty where it has none."""
        found = [field for field in self.fields if field.number == number]
        return bytes(self.view[found[-1].start:found[-1].end]) if found else b''


def present_numbers(raw: bytes) -> bytes:
    """Return a serialised NetParameter with the forks' fields and types under our numbers.

    A net of BVLC's, or of ours, is returned as it is. Raises WireError on a damaged one.
    """
    view = memoryview(raw)
    outer = list(fields(view))
    layers = {field: _layer(view, field) for field in outer
              if field.number in (_NET_V1, _NET_LAYER) and field.kind == BYTES}
    v1 = [layer for field, layer in layers.items() if field.number == _NET_V1]
    forked = any(map(_is_deeplab_v1, v1))
    doubtful = forked and any(map(_is_bvlc_v1, v1))
    if doubtful:
        log.warning("the net's layers are DeepLab's in part and BVLC's in part; only their names, "
                    'types, blobs and connections are read')
    changed = {}
    for field, layer in layers.items():
        if field.number == _NET_LAYER:
            changed[field] = _v2_layer(layer)
        elif forked:
            changed[field] = _v1_layer(layer, doubtful)
    changed = {field: new for field, new in changed.items() if new is not None}
    if not changed:
        return raw
    return b''.join(part for field in outer for part in _written(view, field, changed.get(field)))


def v1_type(value: int, numbers: Collection[int]) -> int:
    """Return our number of a V1 layer's type, given the numbers of the fields the layer has.

    DeepLab's data layer and BVLC's deconvolution share 39; only the latter has options of a
    convolution and blobs.
    """
    data = value == V1LayerParameter.DECONVOLUTION and _V1_IMAGE in numbers and not (
        {_V1_CONV, _V1_BLOBS} & set(numbers))
    # No type that the fork added has weights: with blobs it is another fork's.
    if data or value in _V1_TYPES and _V1_BLOBS not in numbers:
        return value + _OURS
    return value


def _layer(view: memoryview, field: Field) -> _Layer:
    inner = view[field.start:field.end]
    return _Layer(inner, list(fields(inner)))


def _written(view: memoryview, field: Field, new: bytes | None = None,
             number: int | None = None) -> Iterator[bytes | memoryview]:
    """Yield a field's bytes, with another payload or number if they are given."""
    payload = view[field.start:field.end] if new is None else new
    yield tag(field.number if number is None else number, field.kind)
    if field.kind == BYTES:
        yield varint(len(payload))
    yield payload


def _is_deeplab_v1(layer: _Layer) -> bool:
    """Tell whether a V1 layer holds what BVLC's schema never had."""
    numbers = layer.numbers()
    if v1_type(integer(layer.bytes(_V1_TYPE)), numbers) > _OURS or numbers & {*_V1_FIELDS}:
        return True
    conv = layer.bytes(_V1_CONV)
    return any(field.number == _HOLES[0] and integer(conv[field.start:field.end]) > 1
               or field.number == _HOLES[2] for field in fields(conv))


def _is_bvlc_v1(layer: _Layer) -> bool:
    """Tell whether a V1 layer holds what DeepLab's schema never had."""
    numbers, kind = layer.numbers(), integer(layer.bytes(_V1_TYPE))
    return (kind == V1LayerParameter.DECONVOLUTION and v1_type(kind, numbers) == kind
            or _V1_LOSS in numbers and kind != _SEG_ACCURACY)


def _v1_layer(layer: _Layer, doubtful: bool) -> bytes:
    """Return a layer of DeepLab's first fork under our numbers."""
    numbers = layer.numbers()
    parts: list[bytes | memoryview] = []
    for field in layer.fields:
        number, new = field.number, None
        if doubtful and number not in _V1_WEIGHTS:
            continue
        if number == _V1_TYPE and field.kind == VARINT:
            new = varint(v1_type(integer(layer.bytes(_V1_TYPE)), numbers))
        elif number == _V1_LOSS or number in _V1_FIELDS:
            number += _OURS
        elif number == _V1_CONV and field.kind == BYTES:
            new = _convolution(layer.view[field.start:field.end])
        parts += _written(layer.view, field, new, number)
    return b''.join(parts)


def _convolution(view: memoryview) -> bytes:
    """Return a fork's ConvolutionParameter with hole, hole_h and hole_w under our numbers."""
    return b''.join(part for field in fields(view) for part in _written(
        view, field, number=field.number + _OURS * (field.number in _HOLES)))


def _v2_layer(layer: _Layer) -> bytes | None:
    """Return a layer of DeepLab's second fork under our numbers, None where nothing changes.

    A layer's type says whose its parameter is: Crop and SegAccuracy both have number 144.
    """
    theirs, ours = _V2_FIELDS.get(layer.bytes(_TYPE).decode('utf-8', 'replace'), ((), 0))
    if layer.numbers().isdisjoint(theirs):
        return None
    return b''.join(part for field in layer.fields for part in _written(
        layer.view, field, number=ours if field.number in theirs else field.number))
