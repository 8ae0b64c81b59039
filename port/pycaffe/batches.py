"""Batches for a net: pycaffe's forward_all, forward_backward_all and set_input_arrays."""

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

import numpy as np

from port.engine.net import Net as Executor
from port.pycaffe.views import Names

Arrays = dict[str, np.ndarray]


class Batches:
    """What Net does with more items than its batch holds, and with arrays in memory."""

    inputs: list[str]
    outputs: list[str]
    blobs: Names
    _net: Executor

    def forward(self, blobs: Iterable[str] | None = None, start: str | None = None,
                end: str | None = None, **kwargs: np.ndarray) -> Arrays:
        """Run forward once, as Net does."""
        raise NotImplementedError

    def backward(self, diffs: Iterable[str] | None = None, start: str | None = None,
                 end: str | None = None, **kwargs: np.ndarray) -> Arrays:
        """Run backward once, as Net does."""
        raise NotImplementedError

    def forward_all(self, blobs: list[str] | None = None, **kwargs: np.ndarray) -> Arrays:
        """Run forward over all items in batches; return {blob: array} of all of them."""
        outs: dict[str, list] = {name: [] for name in {*self.outputs, *(blobs or ())}}
        for batch in self._batch(kwargs):
            for name, array in self.forward(blobs, None, None, **batch).items():
                outs[name].extend(array.copy())
        return _packed(outs, _length(kwargs))

    def forward_backward_all(self, blobs: list[str] | None = None,
                             diffs: list[str] | None = None,
                             **kwargs: np.ndarray) -> tuple[Arrays, Arrays]:
        """Run forward and backward over all items in batches; return {blob: data}, {blob: diff}.

        Keywords that name inputs go to forward, those that name outputs to backward.
        """
        outs: dict[str, list] = {name: [] for name in {*self.outputs, *(blobs or ())}}
        backs: dict[str, list] = {name: [] for name in {*self.inputs, *(diffs or ())}}
        forward, backward = (self._batch(given) if given else iter(()) for given in (
            {n: kwargs[n] for n in names if n in kwargs} for names in (self.inputs, self.outputs)))
        nothing: Arrays = {}
        for ins, tops in zip_longest(forward, backward, fillvalue=nothing):
            for name, array in self.forward(blobs, None, None, **ins).items():
                outs[name].extend(array.copy())
            for name, array in self.backward(diffs, None, None, **tops).items():
                backs[name].extend(array.copy())
        count = _length(kwargs)
        return _packed(outs, count), _packed(backs, count)

    def _batch(self, blobs: Arrays) -> Iterator[Arrays]:
        """Yield the items batch by batch; the last is filled up with zeros."""
        count, size = _length(blobs), next(iter(self.blobs.values())).shape[0]
        for at in range(0, count, size):
            batch = {name: np.asarray(items[at:at + size]) for name, items in blobs.items()}
            missing = at + size - count
            if missing > 0:
                batch = {name: np.concatenate([items, np.zeros((missing, *items.shape[1:]))])
                         for name, items in batch.items()}
            yield batch

    def set_input_arrays(self, data: np.ndarray, labels: np.ndarray,
                         data_dim: np.ndarray | None = None) -> None:
        """Give a net that begins with a MemoryData layer its data and labels.

        data_dim: for a third top, as the builds of DeepLab's users take it.
        """
        if labels.ndim == 1:
            labels = np.ascontiguousarray(labels[:, np.newaxis, np.newaxis, np.newaxis])
        self._set_input_arrays(data, labels, data_dim)

    def _set_input_arrays(self, data: np.ndarray, labels: np.ndarray,
                          data_dim: np.ndarray | None = None) -> None:
        layer: Any = self._net.nodes[0].layer
        if layer.type != 'MemoryData':
            raise RuntimeError('set_input_arrays may only be called if the first layer is a '
                               'MemoryDataLayer')
        _check('data array', data, layer.item)
        _check('labels array', labels, (1, 1, 1))
        if len(data) != len(labels):
            raise RuntimeError('data and labels must have the same first dimension')
        if data_dim is not None:
            _check('data_dim array', data_dim, (1, 1, 2))
        if len(data) % layer.batch:
            raise RuntimeError('first dimensions of input arrays must be a multiple of batch size')
        layer.reset(data, labels, data_dim)


def _length(arrays: Arrays) -> int:
    if not arrays:
        raise RuntimeError('the items are missing: give each input by keyword')
    return len(next(iter(arrays.values())))


def _packed(lists: dict[str, list], count: int) -> Arrays:
    """Return the lists as arrays without the items that only filled up the last batch."""
    arrays = {name: np.asarray(items) for name, items in lists.items()}
    if not arrays:
        return arrays
    padding = _length(arrays) - count
    return {name: a[:-padding] for name, a in arrays.items()} if padding > 0 else arrays


def _check(name: str, array: np.ndarray, item: tuple[int, int, int]) -> None:
    """Raise RuntimeError, in pycaffe's words, for an array that the layer cannot take."""
    if not array.flags.c_contiguous:
        raise RuntimeError(f'{name} must be C contiguous')
    if array.ndim != 4:
        raise RuntimeError(f'{name} must be 4-d')
    if array.dtype != np.float32:
        raise RuntimeError(f'{name} must be float32')
    for what, got, want in zip(('number of channels', 'height', 'width'), array.shape[1:], item,
                               strict=True):
        if got != want:
            raise RuntimeError(f'{name} has wrong {what}: got {got}, the layer takes {want}')
