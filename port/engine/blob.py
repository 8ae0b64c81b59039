"""Blob: a named N-D array with data and diff (Caffe's Blob and SyncedMemory).

`Blob` is what layers read and assign, as torch tensors. `ArrayBlob` is the same blob as pycaffe
shows it: writable numpy arrays that travel between device and host only when touched.
"""

import weakref
from math import prod
from operator import index

import numpy as np
import torch
from torch.autograd.graph import increment_version

from port.engine.memory import check_shape

MAX_AXES = 32  # Caffe's kMaxBlobAxes


def upload(array: np.ndarray | torch.Tensor, device: torch.device,
           dtype: torch.dtype, copy: bool = False) -> torch.Tensor:
    """Return an array as a tensor on a device.

    A GPU may still be copying when this returns, while the host goes on. copy: the tensor is a
    copy, complete before this returns.
    """
    if isinstance(array, np.ndarray) and min(array.strides, default=0) < 0:
        array = array.copy()                         # a torch tensor has no negative strides
    tensor = torch.as_tensor(array)
    if copy:
        return tensor.to(device, dtype, copy=True)
    if device.type == 'cuda' and tensor.device.type == 'cpu':
        tensor = tensor.pin_memory()
    return tensor.to(device, dtype, non_blocking=True)


class _Store:
    """One array of a blob (its data or its diff): a tensor made when first read.

    Two promises of pycaffe live here. A numpy array handed out stays the blob's memory: a later
    assignment of the same shape is copied into it while someone holds it. On a GPU the array is
    a host copy, taken when asked for and sent back when the device next reads the blob.
    """

    __slots__ = ('_tensor', '_face', '_host', '_origin', '_room')

    def __init__(self) -> None:
        self._tensor: torch.Tensor | None = None
        self._face: weakref.ref | None = None
        self._host: torch.Tensor | None = None
        self._origin: torch.Tensor | None = None     # copied only when somebody reads
        self._room: torch.Tensor | None = None       # all the memory, where a shape takes less

    def read(self, blob: 'Blob') -> torch.Tensor:
        if self._tensor is None:
            self._tensor = (torch.zeros(blob.shape, dtype=blob.dtype, device=blob.device)
                            if self._origin is None else self._origin.clone())
            self._origin = None
        if self._host is not None:
            self._tensor.copy_(self._host)
            self._host = None
        return self._tensor

    @property
    def held(self) -> bool:
        """Whether someone still holds a numpy array of this memory."""
        return self._face is not None and self._face() is not None

    def write(self, value: torch.Tensor) -> None:
        self._host = self._origin = None
        face = self._face() if self._face is not None else None
        held = self._tensor
        if (face is not None and held is not None and held is not value
                and held.shape == value.shape and held.device.type == 'cpu'
                and held.data_ptr() != value.data_ptr()):
            held.copy_(value)
        else:
            self._tensor, self._room = value, None

    def reshape(self, shape: tuple[int, ...]) -> None:
        """Take another shape over the leading elements of the memory, where there are enough of
        them.

        Caffe keeps a blob's capacity in the same way, so a blob that shrinks and grows again finds
        its old values.
        """
        self._origin = None
        if self._tensor is None or self._tensor.shape == torch.Size(shape):
            return
        count, self._host = prod(shape), None
        room = (self._tensor if self._room is None else self._room).reshape(-1)
        if count <= room.numel():
            self._tensor, self._room = room[:count].view(shape), room
        else:
            self._tensor = self._room = None

    def array(self, blob: 'Blob') -> np.ndarray:
        if self._host is None:
            tensor = self.read(blob).detach()
            if tensor.device.type != 'cpu':
                self._host = tensor.cpu().contiguous()
            elif not tensor.is_contiguous():
                self._tensor = tensor.contiguous()
        held = self._tensor
        assert held is not None              # read has made it
        array = (held.detach() if self._host is None else self._host).numpy()
        self._face = weakref.ref(array)
        if not held.is_inference():
            increment_version((held,))       # torch does not see what numpy writes
        return array

    def forget(self) -> None:
        self._tensor = self._host = self._face = self._origin = self._room = None


class Blob:
    """A named array of any number of axes, with data and diff of one shape.

    data, diff: torch tensors; zeros until assigned. An assignment sets the blob's shape.
    """

    __slots__ = ('name', 'shape', 'dtype', 'device', '_data', '_diff', '__weakref__')

    def __init__(self, name: str = '', shape: tuple[int, ...] = (),
                 dtype: torch.dtype = torch.float32, device: torch.device | str = 'cpu') -> None:
        self.name, self.shape, self.dtype = name, tuple(shape), dtype
        self.device = torch.device(device)
        self._data, self._diff = _Store(), _Store()

    def reshape(self, *shape: int) -> None:
        """Change the shape; the leading elements stay where the count does not grow."""
        if len(shape) == 1 and not isinstance(shape[0], int):
            shape = tuple(shape[0])
        shape = tuple(int(n) for n in shape)
        if shape == self.shape:
            return
        if len(shape) > MAX_AXES or any(n < 0 for n in shape):
            raise ValueError(f'blob {self.name!r}: cannot take the shape {list(shape)}; expected '
                             f'at most {MAX_AXES} axes, each of size 0 or more')
        check_shape(self.name, shape)
        self.shape = shape
        self._data.reshape(shape)
        self._diff.reshape(shape)

    @property
    def data(self) -> torch.Tensor:
        return self._data.read(self)

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        self._match(value)
        self._data.write(value)

    def viewed(self, *shape: int) -> torch.Tensor:
        """Return the data in another shape, on the same memory: who writes there writes here."""
        if not self.data.is_contiguous():
            self.data = self.data.contiguous()
        return self.data.view(shape)

    @property
    def diff(self) -> torch.Tensor:
        return self._diff.read(self)

    @diff.setter
    def diff(self, value: torch.Tensor) -> None:
        if value.numel() == self.count:      # a reader in place may have given it more axes
            value = value.reshape(self.shape)
        self._match(value)
        self._diff.write(value)

    def _match(self, value: torch.Tensor) -> None:
        shape = tuple(value.shape)
        if shape != self.shape:
            self.reshape(*shape)

    @property
    def held(self) -> bool:
        """Whether someone holds the data as a numpy array, and so may change it unseen."""
        return self._data.held

    @property
    def count(self) -> int:
        return prod(self.shape)

    def add_diff(self, gradient: torch.Tensor) -> None:
        """Add a gradient, as layers do for their parameters; the first is taken, not copied."""
        if self._diff._tensor is None and self._diff._origin is None:
            # An expanded or foreign tensor must not become the memory that later sums go into.
            self._diff.write(gradient.reshape(self.shape).contiguous())
        else:
            self.diff.add_(gradient.reshape(self.shape))

    def clear_diff(self) -> None:
        """Set the diff to zero."""
        self._diff._origin = None
        if self._diff._tensor is not None:
            self.diff.zero_()

    def drop_diff(self) -> None:
        """Forget the diff: it reads as zero, and the next gradient is taken without a sum."""
        if self._diff.held:
            self.clear_diff()
        else:
            self._diff.forget()

    def diff_from(self, origin: torch.Tensor) -> None:
        """Let the diff read as a tensor that stays unchanged until the diff is next dropped.

        The copy is made only when somebody looks.
        """
        if self._diff.held:
            self.diff = origin
        else:
            self._diff.forget()
            self._diff._origin = origin

    def drop_data(self) -> None:
        """Give the memory of the data back; it reads as zero until it is assigned."""
        self._data.forget()

    def share_data(self, other: 'Blob') -> None:
        """Use the memory of `other` (same count) for the data, under this blob's own shape."""
        self._data._tensor, self._data._room = other.data.view(self.shape), None

    def share_diff(self, other: 'Blob') -> None:
        """Use the memory of `other` (same count) for the diff, under this blob's own shape."""
        self._diff._tensor, self._diff._room = other.diff.view(self.shape), None

    def share_store(self, other: 'Blob') -> None:
        """Have one data with a blob of the same shape, also through later assignments to either."""
        other.data  # noqa: B018  (make sure that there is memory to share)
        self._data = other._data

    def share_diff_store(self, other: 'Blob') -> None:
        """Have one diff with a blob of the same shape, also through later assignments to either."""
        self._diff = other._diff

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Move to a device and number type; the contents travel along."""
        for store in (self._data, self._diff):
            tensor = store.read(self) if store._tensor is not None else None
            store.forget()
            store._tensor = None if tensor is None else tensor.to(device, dtype)
        self.device, self.dtype = device, dtype

    def arrays(self, which: str) -> np.ndarray:
        """Return 'data' or 'diff' as a writable numpy array of the blob's own memory."""
        return (self._data if which == 'data' else self._diff).array(self)

    def face(self) -> 'ArrayBlob':
        """Return the blob as pycaffe shows it."""
        return ArrayBlob(self)

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.name!r}, {self.shape})'


class Param(Blob):
    """A parameter: its memory stays where it is, so that a torch module can hold it too."""

    __slots__ = ()

    @property
    def data(self) -> torch.Tensor:
        return self._data.read(self)

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        if tuple(value.shape) != self.shape:
            self._match(value)
        self.data.copy_(value)


class SharedParam(Blob):
    """A parameter of another shape over the memory of its owner (share_mode PERMISSIVE)."""

    __slots__ = ('owner',)

    def __init__(self, owner: Blob, name: str, shape: tuple[int, ...]) -> None:
        super().__init__(name, shape, owner.dtype, owner.device)
        self.owner = owner

    @property
    def data(self) -> torch.Tensor:
        return self.owner.data.view(self.shape)

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        self.owner.data.view(self.shape).copy_(value)

    @property
    def diff(self) -> torch.Tensor:
        return self.owner.diff.view(self.shape)

    @diff.setter
    def diff(self, value: torch.Tensor) -> None:
        self.owner.diff.view(self.shape).copy_(value)

    def add_diff(self, gradient: torch.Tensor) -> None:
        self.owner.add_diff(gradient)

    def clear_diff(self) -> None:
        self.owner.clear_diff()

    def drop_diff(self) -> None:
        self.owner.drop_diff()

    @property
    def held(self) -> bool:
        return self.owner.held

    def arrays(self, which: str) -> np.ndarray:
        return self.owner.arrays(which).reshape(self.shape)


class ArrayBlob:
    """A blob with numpy arrays: pycaffe's Blob. `data` and `diff` are writable views."""

    __slots__ = ('blob',)

    def __init__(self, blob: Blob | None = None) -> None:
        self.blob = blob if blob is not None else Blob()

    @property
    def data(self) -> np.ndarray:
        return self.blob.arrays('data')

    @property
    def diff(self) -> np.ndarray:
        return self.blob.arrays('diff')

    @property
    def shape(self) -> tuple[int, ...]:
        return self.blob.shape

    @property
    def count(self) -> int:
        return self.blob.count

    def put(self, array: np.ndarray) -> None:
        """Set the data to an array, as data[...] = array does; but on a GPU nothing is read back
        first, and the host does not wait for the copy.
        """
        blob = self.blob
        if blob.device.type == 'cpu':
            self.data[...] = array
        else:
            whole = array if array.shape == blob.shape else np.broadcast_to(array, blob.shape)
            blob.data = upload(np.require(whole, requirements=['C', 'W']), blob.device, blob.dtype)

    def _legacy(self, axis: int) -> int:
        shape = self.blob.shape
        if len(shape) > 4:
            raise ValueError(f'blob {self.blob.name!r} has {len(shape)} axes; num, channels, '
                             'height and width are for at most 4: use shape')
        return shape[axis] if axis < len(shape) else 1

    num = property(lambda self: self._legacy(0))
    channels = property(lambda self: self._legacy(1))
    height = property(lambda self: self._legacy(2))
    width = property(lambda self: self._legacy(3))

    def reshape(self, *shape: int, **named: int) -> None:
        """Change the shape, given as separate sizes; TypeError for a list, as in pycaffe."""
        if named:
            raise RuntimeError('Blob.reshape takes no kwargs')
        self.blob.reshape(*map(index, shape))
