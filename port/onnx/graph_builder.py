"""What the layers' `onnx` methods write into: the nodes and constants of an ONNX graph."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

Dim = int | str                    # a size, or the name of a free one
Shape = tuple[Dim, ...]
NUMBERS: dict[type, int] = {np.float32: 1, np.int64: 7}     # as TensorProto.DataType counts them


@dataclass
class OnnxNode:
    """One node: an ONNX operator, the values it reads and makes, its attributes."""

    kind: str
    name: str
    inputs: list[str]
    outputs: list[str]
    attributes: dict[str, Any]


class Graph:
    """The graph so far: nodes and constants; every value has one name and is made once.

    shapes: of bottoms and tops by value name, free sizes as names. inputs: blob name -> the value
    that an Input layer's top stands for. outputs: blob name -> the value that is the output. layer:
    the layer that is adding nodes now; their names begin with its name.
    """

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self.ops: list[OnnxNode] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes: dict[str, Shape] = {}
        self.inputs: dict[str, str] = {}
        self.outputs: dict[str, str] = {}
        self.layer = ''
        self._names = set(taken)
        self._op_names: set[str] = set()
        self._by_content: dict[tuple, str] = {}
        self._by_use: dict[tuple, str] = {}

    def unique(self, name: str) -> str:
        """Reserve a name and return it, with a number behind it where it is taken."""
        return _unique(name, self._names)

    def add(self, kind: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Add a node of one output, called `out` where given; return the output's name.

        Without `out`, an equal node that is there already serves.
        """
        key = kind, inputs, repr(sorted(attributes.items()))
        if out is None and key in self._by_use:
            return self._by_use[key]
        self._by_use[key] = self.add_many(kind, *inputs, out=[out], **attributes)[0]
        return self._by_use[key]

    def add_many(self, kind: str, *inputs: str, out: Sequence[str | None],
                 **attributes: Any) -> list[str]:
        """Add a node with an output for each entry of `out` (None: a name is made up).

        Attributes that are None are left out.
        """
        outputs = [name or self.unique(f'{self.layer}/{kind}') for name in out]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.ops.append(OnnxNode(kind, _unique(f'{self.layer}/{kind}', self._op_names),
                                 list(inputs), outputs, given))
        return outputs

    def const(self, value: Any, dtype: type = np.float32, name: str = 'const') -> str:
        """Return the name of a constant; equal ones are held once.

        value: tensor, array or number, taken as `dtype`. name: follows the layer's.
        """
        if isinstance(value, torch.Tensor):
            value = value.detach().cpu().numpy()
        array: np.ndarray = np.asarray(value, dtype)
        flat = np.ascontiguousarray(array).reshape(-1)
        key = array.dtype.str, array.shape, hashlib.sha1(flat.view(np.uint8).data).digest()
        if key not in self._by_content:
            self._by_content[key] = self.unique(f'{self.layer}.{name}')
            self.constants[self._by_content[key]] = flat.reshape(array.shape)
        return self._by_content[key]

    def ints(self, *values: int) -> str:
        """Return the name of a one-axis int64 constant."""
        return self.const(list(values), np.int64, 'ints')

    def shape(self, value: str) -> Shape:
        """Return the shape of a bottom or top: sizes, free ones as names."""
        return self.shapes[value]

    def sizes(self, value: str, start: int, end: int | None = None) -> str:
        """Return the sizes of axes start to end: a constant, or read when some are free."""
        dims = self.shape(value)[start:end]
        known = [d for d in dims if isinstance(d, int)]
        if len(known) == len(dims):
            return self.ints(*known)
        return self.add('Shape', value, start=start, end=end)

    def cast(self, value: str, dtype: type, out: str | None = None) -> str:
        """Add a Cast to np.float32 or np.int64."""
        return self.add('Cast', value, to=NUMBERS[dtype], out=out)

    def reshape(self, value: str, dims: Sequence[int], out: str | None = None) -> str:
        """Add a Reshape; 0 keeps the size of that axis and one -1 takes what is left over."""
        return self.add('Reshape', value, self.ints(*dims), out=out)

    def reshape_as(self, bottom: str, top: str) -> str:
        """Add a Reshape that makes the top of the bottom, whatever the free sizes are."""
        old, new = self.shape(bottom), self.shape(top)
        dims = [d if isinstance(d, int) else 0 if (d,) == old[i:i + 1] else -1
                for i, d in enumerate(new)]
        if dims.count(-1) <= 1:
            return self.reshape(bottom, dims, top)
        parts = [self._size(bottom, d) for d in new]
        return self.add('Reshape', bottom, self.add('Concat', *parts, axis=0), out=top)

    def _size(self, bottom: str, size: Dim) -> str:
        """Return one size of a reshaped bottom; -1 for one that no axis of it has."""
        if isinstance(size, int):
            return self.ints(size)
        shape = self.shape(bottom)
        if size not in shape:
            return self.ints(-1)
        return self.add('Shape', bottom, start=shape.index(size), end=shape.index(size) + 1)

    # -- after the layers --------------------------------------------------------------------------

    def rename(self, old: str, new: str) -> None:
        """Give a value another name wherever it occurs."""
        for op in self.ops:
            op.inputs = [new if name == old else name for name in op.inputs]
            op.outputs = [new if name == old else name for name in op.outputs]

    def prune(self, outputs: Iterable[str]) -> None:
        """Drop the nodes and constants that no output depends on."""
        needed, kept = set(outputs), []
        for op in reversed(self.ops):
            if needed.intersection(op.outputs):
                kept.append(op)
                needed.update(op.inputs)
        self.ops = kept[::-1]
        self.constants = {k: v for k, v in self.constants.items() if k in needed}


def _unique(name: str, taken: set[str]) -> str:
    found, count = name, 1
    while found in taken:
        found, count = f'{name}_{count}', count + 1
    taken.add(found)
    return found
