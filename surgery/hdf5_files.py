"""HDF5 files, written whole or not at all and read within bounds.

An HDF5 file can point into other files and declare arrays of any size without holding them, and the
library crashes when the disk is full. None of this reaches the callers of this file.
"""

import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from netspec.schema import write_atomic

from .tensors import PACKED

PAGE = 1 << 16
LINKS = 16         # soft links followed for one name


@contextmanager
def new_hdf5(path: str | Path) -> Iterator[Any]:
    """Yield an h5py.File in memory, which is written to `path` when the block ends well."""
    import h5py
    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        yield file
    write_atomic(path, [memory.getbuffer()])


@contextmanager
def open_hdf5(path: str | Path,
              damage: str = 'truncated or damaged HDF5 file') -> Iterator['Hdf5']:
    """Yield a reader of an HDF5 file; whatever h5py makes of a damaged one is a ValueError."""
    import h5py
    try:
        with h5py.File(path, 'r') as file:
            yield Hdf5(path, file)
    except Exception as error:                    # h5py raises any kind
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        raise ValueError(f'{path}: {damage}: {error}') from None


class Journal(io.RawIOBase):
    """A file whose changes stay in memory until `commit`, which makes them all or none.

    HDF5 writes through it: it never sees a full disk, which it does not survive.
    """

    def __init__(self, path: str | Path) -> None:
        self.file = open(path, 'r+b', buffering=0)
        self.size = self.begun = os.fstat(self.file.fileno()).st_size
        self.pages: dict[int, bytearray] = {}
        self.at = 0

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self.at = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self.at, os.SEEK_END: self.size}[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def readinto(self, buffer: Any) -> int:
        return self._each(memoryview(buffer).cast('B'), lambda part, page: (part, page))

    def write(self, data: Any) -> int:
        return self._each(memoryview(data).cast('B'), lambda part, page: (page, part))

    def _each(self, view: memoryview, way: Callable) -> int:
        """Copy between a buffer and the pages that it lies over; `way` tells into which."""
        done = 0
        while done < len(view):
            number, start = divmod(self.at, PAGE)
            part = view[done:done + PAGE - start]
            into, out_of = way(part, memoryview(self._page(number))[start:start + len(part)])
            into[:] = out_of
            done, self.at = done + len(part), self.at + len(part)
        self.size = max(self.size, self.at)
        return done

    def _page(self, number: int) -> bytearray:
        if number not in self.pages:
            held = os.pread(self.file.fileno(), PAGE, number * PAGE)
            self.pages[number] = bytearray(held.ljust(PAGE, b'\0'))
        return self.pages[number]

    def truncate(self, size: int | None = None) -> int:
        self.size = self.at if size is None else size
        return self.size

    def commit(self) -> None:
        """Write the changes; where there is no room for them the file stays as it was."""
        number = self.file.fileno()
        try:
            if hasattr(os, 'posix_fallocate'):     # not on a Mac
                os.posix_fallocate(number, 0, max(self.size, 1))
        except OSError as error:
            os.ftruncate(number, self.begun)
            raise OSError(error.errno, f'{self.file.name}: not written, and left as it was: '
                                       f'{error.strerror}') from error
        for page, held in self.pages.items():
            os.pwrite(number, memoryview(held)[:max(0, self.size - page * PAGE)], page * PAGE)
        os.ftruncate(number, self.size)

    def close(self) -> None:
        self.file.close()
        super().close()


@contextmanager
def changed_hdf5(path: str | Path) -> Iterator[Any]:
    """Yield an h5py.File to change; what was changed is written when the block ends well."""
    import h5py
    with Journal(path) as journal:
        with h5py.File(journal, 'r+') as file:
            yield file
        journal.commit()


class Hdf5:
    """Arrays and texts out of one HDF5 file, of no more bytes in all than it can hold."""

    def __init__(self, path: str | Path, file: Any) -> None:
        self.path, self.file = path, file
        self.size = Path(path).stat().st_size
        self.taken = 0

    def find(self, name: str, links: int = LINKS) -> Any:
        """Return the group or dataset of a name, None where there is none.

        Raises ValueError where the way there leads through another file.
        """
        import h5py
        node, parts = self.file, [part for part in name.split('/') if part]
        for i, part in enumerate(parts):
            link = node.get(part, getlink=True) if isinstance(node, h5py.Group) else None
            if isinstance(link, h5py.ExternalLink):
                raise ValueError(f'{self.path}: {name!r} leads into another file, '
                                 f'{link.filename!r}; copy the data into this one')
            if isinstance(link, h5py.SoftLink):
                base = '' if link.path.startswith('/') else node.name
                rest = '/'.join([base, link.path, *parts[i + 1:]])
                return self.find(rest, links - 1) if links else None
            if link is None or (node := node.get(part)) is None:
                return None
        return node

    def array(self, name: str) -> np.ndarray:
        """Return the dataset of a name; ValueError where there is none."""
        dataset = self.find(name)
        if not hasattr(dataset, 'dtype'):
            raise ValueError(f'{self.path}: no dataset {name!r} in it; it holds '
                             f'{", ".join(map(repr, self.file)) or "none"}')
        return self.read(dataset)

    def text(self, name: str) -> bytes:
        """Return the text of a name up to its first zero; nothing where there is none."""
        dataset = self.find(name)
        if dataset is None:
            return b''
        value = np.ravel(self.read(dataset, 'S'))
        return bytes(value[0]) if value.size else b''

    def read(self, dataset: Any, kinds: str = 'fiu') -> np.ndarray:
        """Return a dataset; ValueError where it is of another kind or not held in this file."""
        where = f'{self.path}: dataset {dataset.name!r}'
        if dataset.is_virtual or dataset.external:
            raise ValueError(f'{where} keeps its numbers in other files; copy them into this one')
        if dataset.dtype.kind not in kinds or dataset.shape is None:
            expected = 'numbers' if kinds == 'fiu' else 'a text of fixed length'
            raise ValueError(f'{where} holds {dataset.dtype}; expected {expected}')
        filters = dataset.id.get_create_plist().get_nfilters()
        stored = min(dataset.id.get_storage_size(), self.size)
        self.taken += dataset.nbytes
        most = PACKED if filters else 1           # deflate is the filter that every HDF5 has
        if dataset.nbytes > most * stored or self.taken > most * self.size:
            raise ValueError(f'{where} of shape {list(dataset.shape)} asks for '
                             f'{dataset.nbytes:,} bytes, the file holds {stored:,} of it; it is '
                             'damaged or was written without its numbers')
        return dataset[()]
