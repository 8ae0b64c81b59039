"""pycaffe's Net over port.Net: blobs and params as writable numpy arrays (python/caffe/pycaffe.py).

Automatic splits stay invisible: layers, names and indices here are those of the prototxt.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from os import PathLike

import numpy as np

from port.blob import ArrayBlob
from port.net import Net as Executor
from port.pycaffe import mode

Blob = ArrayBlob


class Net:
    """Net(file, phase), Net(file, weights, phase) or Net(file, phase, weights=, level=, stages=).

    blobs, params: names to Blobs. inputs, outputs: blob names.
    """

    def __init__(self, network_file: str | PathLike, *args, phase: int | None = None,
                 weights: str | None = None, level: int = 0,
                 stages: Iterable[str] | None = None) -> None:
        if len(args) == 2:
            weights, phase = args
        elif len(args) == 1:
            phase = args[0]
        elif args:
            raise TypeError('Net takes (file, phase) or (file, weights, phase); '
                            f'got {1 + len(args)} positional arguments')
        if phase is None:
            raise TypeError('Net needs a phase: caffe.TRAIN or caffe.TEST')
        self._wrap(Executor(str(network_file), phase, level, tuple(stages or ()),
                            str(weights) if weights is not None else None,
                            device=mode.device()))

    @classmethod
    def _over(cls, executor: Executor) -> 'Net':
        """Return the face of a net that exists already."""
        net = cls.__new__(cls)
        net._wrap(executor)
        return net

    def _wrap(self, executor: Executor) -> None:
        self._net = executor
        self._nodes = [n for n in executor.nodes if not n.entry.auto_split]
        self._index = {node.name: i for i, node in enumerate(executor.nodes)}
        self.blobs = OrderedDict((n, b.face()) for n, b in executor.blobs.items())
        self.params = OrderedDict((n, [b.face() for b in bs]) for n, bs in executor.params.items())
        self.inputs, self.outputs = list(executor.inputs), list(executor.outputs)
        self._layer_names = [node.name for node in self._nodes]
        self.layers = [node.layer for node in self._nodes]
        self.layer_dict = OrderedDict(zip(self._layer_names, self.layers, strict=True))

    @property
    def bottom_names(self) -> OrderedDict:
        """Layer name -> names of its bottoms, as in the prototxt."""
        return OrderedDict((e.param.name, list(e.param.bottom)) for e in self._net.entries)

    @property
    def top_names(self) -> OrderedDict:
        """Layer name -> names of its tops."""
        return OrderedDict((e.param.name, list(e.param.top)) for e in self._net.entries)

    @property
    def blob_loss_weights(self) -> OrderedDict:
        """Blob name -> its weight in the loss, 0 for most."""
        weights = self._net.loss_weights
        return OrderedDict((name, weights.get(name, 0.0)) for name in self.blobs)

    # -- running -----------------------------------------------------------------------------------

    def _forward(self, start: int, end: int) -> float:
        return float(self._net.run_forward(start, end))

    def _backward(self, start: int, end: int) -> None:
        self._net.backward(start, end)

    def forward(self, blobs: Iterable[str] | None = None, start: str | None = None,
                end: str | None = None, **kwargs: np.ndarray) -> dict[str, np.ndarray]:
        """Run from layer `start` to layer `end`; inputs by keyword; return {blob: array}."""
        wanted = list(blobs or [])
        first = self._index[start] if start is not None else 0
        if end is not None:
            last, names = self._index[end], set(self.top_names[end]) | set(wanted)
        else:
            last, names = len(self._net.nodes) - 1, set(self.outputs) | set(wanted)
        if kwargs:
            if set(kwargs) != set(self.inputs):
                raise Exception('Input blob arguments do not match net inputs.')
            for name, array in kwargs.items():
                if array.shape[0] != self.blobs[name].shape[0]:
                    raise Exception('Input is not batch sized')
                self.blobs[name].data[...] = array
        self._forward(first, last)
        return {name: self.blobs[name].data for name in names}

    def backward(self, diffs: Iterable[str] | None = None, start: str | None = None,
                 end: str | None = None, **kwargs: np.ndarray) -> dict[str, np.ndarray]:
        """Run back from layer `start` to layer `end`; top diffs by keyword; return {blob: diff}."""
        wanted = list(diffs or [])
        first = self._index[start] if start is not None else len(self._net.nodes) - 1
        if end is not None:
            last, names = self._index[end], set(self.bottom_names[end]) | set(wanted)
        else:
            last, names = 0, set(self.inputs) | set(wanted)
        if kwargs:
            if set(kwargs) != set(self.outputs):
                raise Exception('Top diff arguments do not match net outputs.')
            for name, diff in kwargs.items():
                if diff.shape[0] != self.blobs[name].shape[0]:
                    raise Exception('Diff is not batch sized')
                self.blobs[name].diff[...] = diff
        self._backward(first, last)
        return {name: self.blobs[name].diff for name in names}

    def reshape(self) -> None:
        """Give every blob its shape from the inputs' shapes."""
        self._net.reshape()

    def clear_param_diffs(self) -> None:
        """Set the parameters' diffs to zero."""
        self._net.clear_param_diffs()

    # -- weights -----------------------------------------------------------------------------------

    def copy_from(self, weights: str | PathLike) -> None:
        """Copy weights by layer name from a .caffemodel or .caffemodel.h5."""
        self._net.copy_from(str(weights))

    def save(self, path: str | PathLike) -> None:
        """Write a .caffemodel."""
        self._net.save(path)

    def share_with(self, other: 'Net') -> None:
        """Use the parameters of another net, by layer name."""
        self._net.share_from(other._net)

    # -- callbacks ---------------------------------------------------------------------------------

    def before_forward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) before each layer's forward."""
        self._net.before_forward.append(hook)

    def after_forward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) after each layer's forward."""
        self._net.after_forward.append(hook)

    def before_backward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) before each layer's backward."""
        self._net.before_backward.append(hook)

    def after_backward(self, hook: Callable[[int], None]) -> None:
        """Call hook(layer index) after each layer's backward."""
        self._net.after_backward.append(hook)
