"""The learnable parameters of a net: multipliers, and sharing by name (Net::AppendParam)."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from netspec.schema.messages import ParamSpec
from port.engine.blob import Blob, SharedParam
from port.engine.layer import Layer
from port.engine.net_rules import Entry

log = logging.getLogger('port.net')

# A gradient part by part: some outputs, and the gradient of their weights.
Parts = Iterator[tuple[slice, torch.Tensor]]


@dataclass(eq=False)                     # each is itself: they are looked for in long lists
class Learnable:
    """A parameter that the solver updates: who owns it, and its two multipliers."""

    blob: Blob
    layer: str
    index: int
    lr_mult: float
    decay_mult: float
    lr_given: bool
    decay_given: bool
    display: str


class ParamTable:
    """All parameters of a net, shared ones once.

    learnable: one row for each memory. owner: (layer, index) -> the row it uses.
    """

    def __init__(self) -> None:
        self.learnable: list[Learnable] = []
        self.owner: dict[tuple[str, int], Learnable] = {}
        self._named: dict[str, Learnable] = {}

    def add(self, entry: Entry, layer: Layer) -> None:
        """Take in a layer's parameters; ValueError where sharing does not fit."""
        specs = entry.param.param
        if len(specs) > len(layer.blobs):
            raise ValueError(f'too many params specified: {len(specs)} param blocks for '
                             f'{len(layer.blobs)} parameter(s)')
        for i in range(len(layer.blobs)):
            spec = specs[i] if i < len(specs) else ParamSpec()
            row = self._named.get(spec.name) if spec.name else None
            if row is None:
                row = Learnable(layer.blobs[i], entry.param.name, i, spec.lr_mult,
                                spec.decay_mult, spec.HasField('lr_mult'),
                                spec.HasField('decay_mult'), spec.name or str(i))
                self.learnable.append(row)
                if spec.name:
                    self._named[spec.name] = row
            else:
                log.info("Sharing parameters '%s' owned by layer '%s', param index %d",
                         spec.name, row.layer, row.index)
                layer.blobs[i] = _share(layer.blobs[i], row, spec)
            self.owner[entry.param.name, i] = row


def _share(mine: Blob, row: Learnable, spec: ParamSpec) -> Blob:
    """Return a blob of the shape of `mine` that uses the owner's memory."""
    owner = row.blob
    where = (f'cannot share param {spec.name!r}, owned by layer {row.layer!r} with shape '
             f'{list(owner.shape)}; this layer has {list(mine.shape)}')
    if spec.share_mode == ParamSpec.PERMISSIVE:
        if mine.count != owner.count:
            raise ValueError(f'{where}: the counts differ')
    elif mine.shape != owner.shape:
        raise ValueError(f'{where}: the shapes differ (share_mode: PERMISSIVE asks for equal '
                         'counts only)')
    for name in ('lr', 'decay'):
        _merge(row, spec, name)
    return owner if mine.shape == owner.shape else SharedParam(owner, mine.name, mine.shape)


def _merge(row: Learnable, spec: ParamSpec, name: str) -> None:
    """Take over the multiplier of a layer that shares a parameter, where its owner gave none.

    Raises ValueError where both gave one and they differ.
    """
    field = f'{name}_mult'
    if not spec.HasField(field):
        return
    value = getattr(spec, field)
    if getattr(row, f'{name}_given') and getattr(row, field) != value:
        raise ValueError(f'shared param {spec.name!r} has mismatched {field}: {value:g} here, '
                         f'{getattr(row, field):g} in layer {row.layer!r}')
    setattr(row, f'{name}_given', True)
    setattr(row, field, value)
