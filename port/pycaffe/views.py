"""A net's layers and blobs as pycaffe shows them: Layer objects, and dicts in the net's order."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from port.engine.blob import ArrayBlob, Blob
from port.engine.layer import Layer as Worker
from port.engine.python_layer import BlobVec, PythonLayer
from port.engine.wiring import Node


class NativeLayer(PythonLayer):
    """A layer that is not written in Python: `type`, `blobs`, `setup`, `reshape`."""

    def __init__(self, node: Node) -> None:
        self.param, self.name, self.phase = node.layer.param, node.name, node.layer.phase
        self.type = node.layer.type
        self._worker: Worker = node.layer
        self.blobs = FixedVec(node.layer.blobs)

    def setup(self, bottom: list[ArrayBlob], top: list[ArrayBlob]) -> None:
        self._worker.setup([b.blob for b in bottom], [t.blob for t in top])

    def reshape(self, bottom: list[ArrayBlob], top: list[ArrayBlob]) -> None:
        self._worker.reshape([b.blob for b in bottom], [t.blob for t in top])


class FixedVec(BlobVec):
    """The parameters of a layer; each keeps one face for good, so that identity holds."""

    def __init__(self, blobs: list) -> None:
        super().__init__(blobs)
        self._faces: dict[int, ArrayBlob] = {}

    def __getitem__(self, index: int | slice) -> ArrayBlob | list[ArrayBlob]:
        if isinstance(index, slice):
            return [self._face(blob) for blob in self.held[index]]
        return self._face(self.held[index])

    def __iter__(self) -> Iterator[ArrayBlob]:
        return (self._face(blob) for blob in self.held)

    def _face(self, blob: Blob) -> ArrayBlob:
        return self._faces.setdefault(id(blob), blob.face())


def layer_of(node: Node) -> PythonLayer:
    """Return what `net.layers` holds for a node: for a Python layer the user's own object."""
    return getattr(node.layer, 'instance', None) or NativeLayer(node)


class Names(OrderedDict):
    """Names to things in the net's order; a name of an automatic split still finds its thing."""

    def __init__(self, items: Any = (), hidden: Callable[[str], Any] | None = None) -> None:
        super().__init__(items)
        self._hidden = hidden

    def __missing__(self, name: str) -> Any:
        found = self._hidden(name) if self._hidden is not None else None
        if found is None:
            raise KeyError(name)
        return found

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, (list(self.items()),)
