"""PythonLayer: what a layer written in Python inherits (pycaffe's caffe.Layer).

The engine sets `param_str` and `phase`, then calls setup once and reshape and forward in every
pass, with lists of blobs whose `data` and `diff` are writable numpy arrays.
"""

from collections.abc import Iterator

import torch

from port.engine.blob import ArrayBlob, Blob


class MissingStep(NotImplementedError, AttributeError):
    """A layer class lacks one of the four steps (pycaffe: AttributeError)."""


class BlobVec:
    """The parameters of a Python layer, as pycaffe shows them: `blobs[i].data`, `add_blob`."""

    def __init__(self, blobs: list[Blob] | None = None, dtype: torch.dtype = torch.float32,
                 device: torch.device | str = 'cpu') -> None:
        self.held = [] if blobs is None else blobs
        self.dtype, self.device = dtype, device

    def add_blob(self, *shape: int, **named: int) -> None:
        """Append a parameter of this shape, all zero; fill `blobs[i].data` after it."""
        if named:
            raise RuntimeError('BlobVec.add_blob takes no kwargs')
        self.held.append(Blob(f'blobs[{len(self.held)}]', shape, self.dtype, self.device))

    def __len__(self) -> int:
        return len(self.held)

    def __getitem__(self, index: int | slice) -> ArrayBlob | list[ArrayBlob]:
        if isinstance(index, slice):
            return [blob.face() for blob in self.held[index]]
        return self.held[index].face()

    def __iter__(self) -> Iterator[ArrayBlob]:
        return (blob.face() for blob in self.held)


class PythonLayer:
    """Base of user layers: a subclass writes the four steps.

    name, phase (TRAIN 0, TEST 1), param_str: what the net gives. blobs: learnable parameters,
    made in setup with `self.blobs.add_blob(3, 4)`. A subclass whose position a resumed training
    must continue also writes `state()` (plain values) and `restore(state)`.
    """

    type = 'Python'
    phase: int = 0
    param_str: str = ''
    name: str = ''

    def __init__(self, param: object | None = None) -> None:
        self.param = param
        self.name = getattr(param, 'name', '')
        self.param_str = getattr(getattr(param, 'python_param', None), 'param_str', '')
        self.blobs = BlobVec()

    @property
    def param_str_(self) -> str:
        """The name of param_str in Caffe before 2015."""
        return self.param_str

    def setup(self, bottom: list[ArrayBlob], top: list[ArrayBlob]) -> None:
        """Read param_str, check the numbers of blobs and make parameters, once."""
        raise MissingStep(f'{type(self).__name__} must define setup(self, bottom, top)')

    def reshape(self, bottom: list[ArrayBlob], top: list[ArrayBlob]) -> None:
        """Give the tops their shapes, before every forward pass."""
        raise MissingStep(f'{type(self).__name__} must define reshape(self, bottom, top)')

    def forward(self, bottom: list[ArrayBlob], top: list[ArrayBlob]) -> None:
        """Fill the data of the tops."""
        raise MissingStep(f'{type(self).__name__} must define forward(self, bottom, top)')

    def backward(self, top: list[ArrayBlob], propagate_down: list[bool],
                 bottom: list[ArrayBlob]) -> None:
        """Fill the diff of each bottom that propagate_down asks for, add to the parameters'."""
        if any(propagate_down) or len(self.blobs):
            raise MissingStep(f'{type(self).__name__} must define backward(self, top, '
                              'propagate_down, bottom): the net asks for its gradient')
