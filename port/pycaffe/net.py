"""pycaffe's Net over port.Net: blobs and params as writable numpy arrays (python/caffe/pycaffe.py).

Automatic splits stay invisible: layers, names and indices here are those of the prototxt.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from operator import index
from os import PathLike, fspath
from pathlib import Path
from typing import Any

import numpy as np

from netspec.schema.messages import TEST
from port.engine.blob import ArrayBlob
from port.engine.net import Net as Executor
from port.engine.python_layer import PythonLayer
from port.engine.wiring import AUTOMATIC
from port.pycaffe import mode
from port.pycaffe.batches import Batches
from port.pycaffe.layer_range import LayerRange
from port.pycaffe.views import FixedVec, Names, layer_of

Blob = ArrayBlob
log = logging.getLogger('port.pycaffe')


def readable(path: str | Path) -> str:
    """Return a path as a string; RuntimeError, as in pycaffe, where it cannot be opened."""
    try:
        with open(path, 'rb'):
            return fspath(path)
    except OSError:
        raise RuntimeError(f'Could not open file {fspath(path)}') from None


def _legacy(network_file: str, weights: str, phase: int) -> tuple[Any, ...]:
    log.warning('DEPRECATION WARNING - deprecated use of Python interface')
    log.warning('Use this instead (with the named "weights" parameter):')
    log.warning("Net('%s', %d, weights='%s')", network_file, phase, weights)
    return network_file, phase, 0, None, weights


def _arguments(network_file: Any, phase: Any, level: int = 0, stages: Any = None,
               weights: Any = None) -> tuple[Any, ...]:
    return network_file, phase, level, stages, weights


def _more(names: Iterable[str], wanted: Iterable[str] | None) -> dict[str, None]:
    if isinstance(wanted, str):
        raise TypeError(f'a list of blob names is expected, got the string {wanted!r}')
    return dict.fromkeys([*names, *(wanted or ())])


class Net(Batches):
    """Net(file, phase), Net(file, weights, phase) or Net(file, phase, level, stages, weights).

    blobs, params: names to Blobs. inputs, outputs: blob names. layers: one a layer of the
    prototxt, for Python layers the user's own objects.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        legacy = len(args) == 3 and not kwargs and isinstance(args[1], (str, PathLike))
        path, phase, level, stages, weights = (_legacy if legacy else _arguments)(*args, **kwargs)
        if isinstance(phase, (str, PathLike)) or isinstance(stages, str):
            raise TypeError('Net takes (file, phase), (file, weights, phase) or (file, phase, '
                            f'level, stages, weights), stages a list; got {args} {kwargs}')
        path = readable(path)
        weights = None if weights is None else readable(weights)
        self._wrap(Executor(path, index(phase), level, tuple(stages or ()), weights,
                            device=mode.device()))

    @classmethod
    def _over(cls, executor: Executor) -> 'Net':
        """Return the face of a net that exists already."""
        net = cls.__new__(cls)
        net._wrap(executor)
        return net

    def _wrap(self, executor: Executor) -> None:
        self._net, self._span = executor, LayerRange(executor)
        self._faces: dict[str, ArrayBlob] = {}
        shown = [executor.nodes[i] for i in self._span.shown]
        self._layer_names = [node.name for node in shown]
        self.layers = [layer_of(node) for node in shown]
        self.layer_dict = Names(zip(self._layer_names, self.layers, strict=True))
        self.blobs = Names(((b.name, b.face()) for node in executor.nodes for b in node.top
                            if b.name == AUTOMATIC or b.name in executor.blobs), self._hidden)
        self.params = OrderedDict((n, FixedVec(b)) for n, b in executor.params.items())
        self.inputs, self.outputs = list(executor.inputs), list(executor.split_outputs)
        self.bottom_names = self._named('bottom')
        self.top_names = self._named('top')
        for node in executor.nodes:           # a loss's top that the file does not name
            if any(blob.name == AUTOMATIC for blob in node.top):
                self.top_names[node.entry.param.name].append(AUTOMATIC)

    def _hidden(self, name: str) -> ArrayBlob | None:
        """Return the face of a blob that an automatic split made, None if there is none."""
        blob = self._net.all_blobs.get(name)
        return None if blob is None else self._faces.setdefault(name, blob.face())

    def _named(self, which: str) -> OrderedDict:
        return OrderedDict((e.param.name, list(getattr(e.param, which)))
                           for e in self._net.entries)

    @property
    def blob_loss_weights(self) -> OrderedDict:
        """Blob name -> its weight in the loss, 0 for most. That of a loss which others read is at
        its Split's first top; the loss itself has then the default, and counts once more.
        """
        weights = {blob.name: weight for node in self._net.nodes for blob, weight
                   in zip(node.top, node.layer.loss_weights, strict=True)}
        return Names(((name, weights.get(name, 0.0)) for name in self.blobs), weights.get)

    # -- pycaffe's own names -----------------------------------------------------------------------

    _blobs = property(lambda self: list(self.blobs.values()))
    _blob_names = property(lambda self: list(self.blobs))
    _blob_loss_weights = property(lambda self: list(self.blob_loss_weights.values()))
    _inputs = property(lambda self: [self._blob_names.index(n) for n in self.inputs])
    _outputs = property(lambda self: [self._blob_names.index(n) for n in self._net.outputs])

    def _bottom_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(n) for n in self.bottom_names[self._layer_names[layer]]]

    def _top_ids(self, layer: int) -> list[int]:
        return [self._blob_names.index(n) for n in self.top_names[self._layer_names[layer]]]

    # -- running -----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Move to where the mode says, which may have changed since the net was made."""
        if self._net.device != mode.device():
            self._net.to(mode.device())

    def _forward(self, start: int, end: int) -> float:
        self._settle()
        return float(self._span.forward(start, end))

    def _backward(self, start: int, end: int) -> None:
        self._settle()
        self._span.backward(start, end)

    def _place(self, layer: str | None, default: int) -> int:
        if layer is None:
            return default
        if layer not in self._layer_names:
            raise ValueError(f'{layer!r} is not in the list of layers: '
                             f'{", ".join(self._layer_names)}')
        return self._layer_names.index(layer)

    def forward(self, blobs: Iterable[str] | None = None, start: str | None = None,
                end: str | None = None, **kwargs: np.ndarray) -> dict[str, np.ndarray]:
        """Run from layer `start` to layer `end`; inputs by keyword; return {blob: array}.

        The arrays are those of the outputs (of `end`, if given) and of `blobs`: live views.
        """
        first, last = self._place(start, 0), self._place(end, len(self.layers) - 1)
        names = self.outputs if end is None else self.top_names[end]
        if kwargs:
            self._fill('data', kwargs, self.inputs, 'Input blob arguments do not match net '
                       'inputs.', 'Input is not batch sized')
        names = _more(names, blobs)
        self._forward(first, last)
        return {name: self.blobs[name].data for name in names}

    def backward(self, diffs: Iterable[str] | None = None, start: str | None = None,
                 end: str | None = None, **kwargs: np.ndarray) -> dict[str, np.ndarray]:
        """Run back from layer `start` to layer `end`; top diffs by keyword; return {blob: diff}.

        The diffs are those of the inputs (of the bottoms of `end`, if given) and of `diffs`; of a
        bottom that layers outside the stretch read too, the part that comes from `end`.
        """
        first, last = self._place(start, len(self.layers) - 1), self._place(end, 0)
        names = self.inputs if end is None else self.bottom_names[end]
        if kwargs:
            self._fill('diff', kwargs, self.outputs, 'Top diff arguments do not match net '
                       'outputs.', 'Diff is not batch sized')
        names = _more(names, diffs)
        self._backward(first, last)
        known = self._span.partial(first, last) if end is not None else {}
        return {name: (known[name].face() if name in known else self.blobs[name]).diff
                for name in names}

    def _fill(self, which: str, arrays: dict, names: list[str], mismatch: str, size: str) -> None:
        if set(arrays) != set(names):
            raise Exception(f'{mismatch} Got {sorted(arrays)}, the net has {names}')
        for name, array in arrays.items():
            if array.shape[0] != self.blobs[name].shape[0]:
                raise Exception(f'{size}: {name!r} has {array.shape[0]} items, the blob '
                                f'{self.blobs[name].shape[0]}; reshape the blob first')
            getattr(self.blobs[name], which)[...] = array

    def reshape(self) -> None:
        """Give every blob its shape from the inputs' shapes."""
        self._net.reshape()

    def clear_param_diffs(self) -> None:
        """Set the parameters' diffs to zero."""
        self._net.clear_param_diffs()

    # -- weights -----------------------------------------------------------------------------------

    def copy_from(self, weights: str | Path) -> None:
        """Copy weights by layer name from a .caffemodel or .caffemodel.h5 (several: commas)."""
        self._net.copy_from(fspath(weights))

    def save(self, path: str | Path) -> None:
        """Write a .caffemodel, whatever the name."""
        self._net.save(Path(path), hdf5=False)

    def save_hdf5(self, path: str | Path) -> None:
        """Write the weights as HDF5, whatever the name."""
        self._net.save(Path(path), hdf5=True)

    def load_hdf5(self, path: str | Path) -> None:
        """Copy weights by layer name from HDF5, whatever the file's name."""
        from surgery.hdf5 import read_hdf5
        self._net.copy_from(read_hdf5(path))

    def share_with(self, other: 'Net') -> None:
        """Use the parameters of another net, by layer name."""
        self._net.share_from(other._net)

    # -- callbacks ---------------------------------------------------------------------------------

    def before_forward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) before each layer's forward."""
        self._net.before_forward.append(self._span.counted(hook))

    def after_forward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) after each layer's forward."""
        self._net.after_forward.append(self._span.counted(hook))

    def before_backward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) before each layer's backward."""
        self._net.before_backward.append(self._span.counted(hook))

    def after_backward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) after each layer's backward."""
        self._net.after_backward.append(self._span.counted(hook))


__all__ = ['Blob', 'Net', 'PythonLayer', 'TEST', 'readable']
