"""HDF5Data: rows of HDF5 files, one dataset a top (src/caffe/layers/hdf5_data_layer.cpp)."""

from pathlib import Path

import numpy as np
import torch

from port.engine.blob import Blob
from port.engine.layer import Layer
from port.engine.registry import layer
from surgery.hdf5_files import open_hdf5


@layer('HDF5Data')
class HDF5Data(Layer):
    """source: a text file naming HDF5 files; each top takes the dataset of its name.

    A file is held in memory while its rows are handed out. shuffle draws the order of the files
    for each pass through the list, and of a file's rows each time it is read.
    """

    rank, ranks = 0, 1       # of every `ranks` batches this layer reads the one in place `rank`

    def setup(self, bottom: list[Blob], top: list[Blob]) -> None:
        given = self.param.hdf5_data_param
        if self.param.HasField('transform_param'):
            raise ValueError('HDF5Data does not transform data; expected no transform_param')
        if given.batch_size < 1:
            raise ValueError(f'batch_size is {given.batch_size}; expected 1 or more')
        self.files = read_file_list(given.source)
        self.seed = int(torch.randint(2 ** 31, ()))
        self._open(0, 0, 0)
        for blob, rows in zip(top, self.held, strict=True):
            blob.reshape(given.batch_size, *rows.shape[1:])

    def forward(self, bottom: list[Blob], top: list[Blob]) -> None:
        wanted, parts = self.param.hdf5_data_param.batch_size, []
        self.skip(self.rank)
        while wanted:
            picked = self.order[self.row:self.row + wanted]
            parts.append([rows[picked] for rows in self.held])
            wanted -= len(picked)
            self._advance(len(picked))
        for blob, arrays in zip(top, zip(*parts, strict=True), strict=True):
            array = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
            blob.data = torch.from_numpy(array).to(self.device, self.dtype)
        self.skip(self.ranks - 1 - self.rank)

    def take_share(self, rank: int, ranks: int) -> None:
        """From here on read one batch of so many."""
        self.rank, self.ranks = rank, ranks

    def skip(self, passes: int) -> None:
        """Go on as after so many passes."""
        rows = passes * self.param.hdf5_data_param.batch_size
        while rows:
            some = min(rows, len(self.order) - self.row)
            rows -= some
            self._advance(some)

    def state(self) -> dict[str, int]:
        """Return where the layer stands: pass through the list, file, row, and the seed."""
        return {'turn': self.turn, 'place': self.place, 'row': self.row, 'seed': self.seed,
                'files': len(self.files)}

    def restore(self, state: dict[str, int]) -> None:
        """Go on from a `state`; ValueError where the list names another number of files."""
        if state['files'] != len(self.files):
            raise ValueError(f'the snapshot was taken over {state["files"]} HDF5 files but '
                             f'{self.param.hdf5_data_param.source} names {len(self.files)}')
        self.seed = state['seed']
        self._open(state['turn'], state['place'], state['row'])

    def _advance(self, rows: int) -> None:
        self.row += rows
        if self.row == len(self.order):
            place = (self.place + 1) % len(self.files)
            self._open(self.turn + (place == 0), place, 0)

    def _permuted(self, count: int, *key: int) -> np.ndarray:
        if not self.param.hdf5_data_param.shuffle:
            return np.arange(count)
        return np.random.RandomState([self.seed, *key]).permutation(count)

    def _open(self, turn: int, place: int, row: int) -> None:
        """Stand in pass `turn` at the file in place `place`, at row `row`."""
        path = self.files[self._permuted(len(self.files), turn)[place]]
        if getattr(self, 'path', None) != path:
            held = read_rows(path, list(self.param.top))
            self._check(path, held)
            self.held, self.path = held, path
        self.turn, self.place, self.row = turn, place, row
        self.order = self._permuted(len(self.held[0]), turn, place)

    def _check(self, path: str, held: list[np.ndarray]) -> None:
        for name, rows, before in zip(self.param.top, held, getattr(self, 'held', held),
                                      strict=True):
            if len(rows) != len(held[0]):
                raise ValueError(f'{path}: dataset {name!r} has {len(rows)} rows and '
                                 f'{self.param.top[0]!r} {len(held[0])}; expected the same')
            if rows.shape[1:] != before.shape[1:]:
                raise ValueError(f'{path}: the rows of dataset {name!r} have shape '
                                 f'{list(rows.shape[1:])}; expected {list(before.shape[1:])} as '
                                 f'in {self.path}')


def read_file_list(source: str) -> list[str]:
    """Read the names in a list, parted by any white space; FileNotFoundError, ValueError."""
    if not source:
        raise ValueError('hdf5_data_param lacks `source`: a text file that names HDF5 files')
    if not Path(source).is_file():
        raise FileNotFoundError(f'{source}: no such list of HDF5 files')
    try:
        names = Path(source).read_text(encoding='utf-8').split()
    except UnicodeDecodeError:
        raise ValueError(f'{source}: not a text file; `source` is a list that names HDF5 files, '
                         'not such a file itself') from None
    if not names:
        raise ValueError(f'{source}: names no HDF5 file; expected at least one')
    return names


def read_rows(path: str, datasets: list[str]) -> list[np.ndarray]:
    """Read whole datasets of numbers; ValueError naming file and dataset where it cannot be."""
    if not Path(path).is_file():
        raise FileNotFoundError(f'{path}: no such HDF5 file')
    with open_hdf5(path, 'cannot be read as HDF5') as file:
        return [_rows(path, file.array(name), name) for name in datasets]


def _rows(path: str, data: np.ndarray, name: str) -> np.ndarray:
    if not data.shape or not data.shape[0]:
        raise ValueError(f'{path}: dataset {name!r} holds {data.dtype} of shape '
                         f'{list(data.shape)}; expected rows of numbers')
    return data
