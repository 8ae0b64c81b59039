"""Data: Datums in an LMDB, in the order of their keys (src/caffe/layers/data_layer.cpp)."""

import weakref
from pathlib import Path
from typing import Any

import numpy as np

from netspec.schema.messages import DataParameter, Datum
from port.engine.registry import layer
from port.images.caffe_images import decode
from port.layers.bases.batch_layer import BatchLayer

_OPEN: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


@layer('Data')
class Data(BatchLayer):
    """data_param { source batch_size backend: LMDB }; the second top, if any, is the label.

    A Datum holds bytes, floats or, if `encoded`, an image file, whose channels stay as they are
    unless transform_param's force_color or force_gray says otherwise. rand_skip does nothing,
    as in Caffe's master.
    """

    def open_source(self) -> int:
        given = self.param.data_param
        self.batch = given.batch_size
        asked = self.param.transform_param
        if asked.force_color and asked.force_gray:
            raise ValueError('transform_param sets both force_color and force_gray; expected one')
        self.color = True if asked.force_color else False if asked.force_gray else None
        if given.backend == DataParameter.LEVELDB:
            raise ValueError(f'{given.source!r} is to be read as LEVELDB, Caffe\'s default; '
                             'expected backend: LMDB (turn the database into an LMDB with '
                             'Caffe\'s convert_imageset -backend lmdb)')
        self.env = open_lmdb(given.source)
        with self.env.begin() as reader:
            self.keys = list(reader.cursor().iternext(values=False))
        if not self.keys:
            raise ValueError(f'{given.source}: the LMDB is empty; expected Datums')
        return len(self.keys)

    def read(self, index: int) -> tuple[np.ndarray, int, str]:
        where = f'{self.param.data_param.source}, key {self.keys[index].decode("latin-1")!r}'
        with self.env.begin() as reader:
            raw = reader.get(self.keys[index])
        datum = Datum()
        try:
            datum.ParseFromString(raw)
            return datum_pixels(datum, self.color), datum.label, where
        except Exception as error:  # protobuf's DecodeError differs between its versions
            raise ValueError(f'{where}: not a readable Datum: {error}') from None


def datum_pixels(datum: Datum, color: bool | None) -> np.ndarray:
    """Return a Datum's values C x H x W: uint8 of bytes or of an image, float32 of floats."""
    if datum.encoded:
        return decode(datum.data, color)
    values = (np.frombuffer(datum.data, np.uint8) if datum.data
              else np.array(datum.float_data, np.float32))
    shape = (datum.channels, datum.height, datum.width)
    if values.size != np.prod(shape):
        raise ValueError(f'it holds {values.size} values; expected channels x height x width, '
                         f'{" x ".join(map(str, shape))}')
    return values.reshape(shape)


def open_lmdb(source: str) -> Any:
    """Open an LMDB for reading, once a process: two nets may read one source."""
    try:
        import lmdb
    except ImportError:
        raise ValueError('a Data layer needs the package lmdb to read its source; install it: '
                         'pip install lmdb') from None
    path = Path(source)
    file = path / 'data.mdb' if path.is_dir() else path
    if not source or not file.is_file():
        raise FileNotFoundError(f'{source}: no such LMDB; expected a folder with a data.mdb')
    key = str(file.resolve())
    env = _OPEN.get(key)
    if env is None:
        try:
            env = lmdb.open(str(path), readonly=True, lock=False, subdir=path.is_dir(),
                            readahead=False, max_spare_txns=8)
        except lmdb.Error as error:
            raise ValueError(f'{source}: cannot be opened as an LMDB: {error}') from None
        _OPEN[key] = env
    return env
