"""Weights in and out of a net by layer name (Net::CopyTrainedLayersFrom, Net::ToProto)."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from math import prod
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.net import Net, Weights
from port.engine.torch_weights import TENSOR_FILES, read_weights, write_weights
from surgery.caffemodel import write_caffemodel
from surgery.hdf5 import write_hdf5

log = logging.getLogger('port.net')
Held = set[tuple[str, int]]     # layer, index of a parameter
Blobs = Sequence[np.ndarray | None]
RENAME = 'rename the layer to learn it from scratch'


class Misfit(ValueError):
    """A layer's weights do not fit the net; `what` says so without the advice."""

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(f'{what}; {advice}')
        self.what = what


def _equal(mine: tuple[int, ...], theirs: tuple[int, ...]) -> bool:
    """Equal shapes, or a legacy 4-D shape that is the same but for leading ones."""
    if len(theirs) == 4 and len(mine) < 4:
        return (1,) * (4 - len(mine)) + mine == theirs
    return mine == theirs


def paths_of(weights: Weights) -> list[str | Path]:
    """Return the files that weights are given by; none for {layer: [arrays]}."""
    if isinstance(weights, Mapping):
        return []
    if isinstance(weights, str):
        return [*weights.split(',')]
    paths: list[str | Path] = list(weights) if isinstance(weights, Iterable) else [weights]
    wrong = [path for path in paths if not isinstance(path, (str, PathLike))]
    if wrong:
        raise TypeError('weights: expected a file, several, or {layer: [arrays]}, got '
                        f'{type(wrong[0]).__name__}')
    return paths


def copy_from(net: Net, weights: Weights) -> Held:
    """Copy weights into a net; return which parameters they held.

    weights: a path, several (a list, or a comma-separated string), or {layer: [arrays]}. Layers
    that only the net or only the weights have are left alone, as in Caffe. Raises Misfit, a
    ValueError that names layer, parameter and both shapes.
    """
    if isinstance(weights, Mapping):
        return _copy(net, weights, '')
    return set().union(*(_copy(net, read_weights(path), f'{path}: ')
                         for path in paths_of(weights)))


def lacking(net: Net, held: Held) -> list[str]:
    """Return the layers that have a parameter of their own which the weights did not hold."""
    rows = {id(net.param_owner[key]) for key in held}
    return list(dict.fromkeys(row.layer for row in net.learnable if id(row) not in rows))


def _copy(net: Net, weights: Mapping[str, Blobs], where: str) -> Held:
    everything = dict.fromkeys(getattr(weights, 'types', ()), ()) | dict(weights)
    known, held = {node.name for node in net.nodes}, set()
    for layer, arrays in everything.items():
        if layer not in known:
            log.info('Ignoring source layer %s', layer)
        blobs = net.params.get(layer)
        if blobs is None:
            continue
        given = {i: array for i, array in enumerate(arrays) if array is not None}
        missing = [i for i in range(len(blobs)) if i not in given and _owns(net, layer, i)]
        if len(arrays) > len(blobs) or missing:       # HDF5 leaves out what another layer owns
            raise Misfit(f'{where}Incompatible number of blobs for layer {layer!r}: {len(given)}, '
                         f'the net expects {len(blobs)}', RENAME)
        for i, array in given.items():
            blob = blobs[i]
            if not _equal(blob.shape, array.shape):
                raise Misfit(f'{where}layer {layer!r}, param {i}: shape mismatch: '
                             f'{list(array.shape)}, the net expects {list(blob.shape)}',
                             f'{RENAME}, or transplant with `fcn surgery`')
            _put(blob, 'data', array)
            held.add((layer, i))
        for i, array in enumerate(getattr(weights, 'diffs', {}).get(layer, ())):
            if array is not None:                     # Blob::FromProto: as the file has them
                _put(blobs[i], 'diff', array)
    return held


def _put(blob: Blob, which: str, array: np.ndarray) -> None:
    """Copy an array into a parameter's data or diff without an intermediate copy."""
    if not array.flags.aligned or not array.flags.writeable:
        if blob.device.type == 'cpu' and blob.dtype == torch.float32:
            np.copyto(blob.arrays(which), array.reshape(blob.shape), casting='same_kind')
            return
        array = np.array(array)
    with torch.no_grad():
        getattr(blob, which).copy_(torch.from_numpy(array).view(blob.shape))


def arrays(net: Net, which: str = 'data') -> dict[str, list[np.ndarray]]:
    """Return {layer: [arrays]} of a net's parameters, or of their diffs."""
    return {layer: [getattr(b, which).detach().cpu().contiguous().numpy() for b in blobs]
            for layer, blobs in net.params.items()}


def save(net: Net, path: str | Path, diff: bool = False, hdf5: bool | None = None) -> None:
    """Write the net's parameters: HDF5 where the name ends in .h5, tensors by name where it ends
    in .safetensors, .npz, .pt or .pth, else a caffemodel.

    diff: write the gradients beside the data, not in files of tensors. hdf5: the form, whatever
    the name. HDF5 holds shared parameters once, as Caffe's does.
    """
    if hdf5 is None and str(path).endswith(TENSOR_FILES):
        write_weights(path, arrays(net))
        return
    diffs = arrays(net, 'diff') if diff else None
    if str(path).endswith('.h5') if hdf5 is None else hdf5:
        owned = {layer: [a if _owns(net, layer, i) else None for i, a in enumerate(blobs)]
                 for layer, blobs in arrays(net).items()}
        write_hdf5(path, {node.name: owned.get(node.name, []) for node in net.nodes}, diffs=diffs)
    else:
        types = {node.name: node.layer.type for node in net.nodes}
        found = arrays(net)
        write_caffemodel(path, {name: found.get(name, []) for name in types},  # as Caffe: all
                         types, net.param_name, diffs)


def _owns(net: Net, layer: str, index: int) -> bool:
    row = net.param_owner[layer, index]
    return row.layer == layer and row.index == index


def parameter_count(net: Net) -> int:
    """Return the number of learnable values, shared ones once."""
    return sum(prod(row.blob.shape) for row in net.learnable)
