"""Means and databases on disk: .binaryproto and LMDBs of Datums (tools/compute_image_mean.cpp,
tools/convert_imageset.cpp). Their names are found in port.pycaffe.io.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from netspec.schema import blob_array, read_blob, workroom, write_blob
from netspec.schema.messages import BlobProto, Datum
from port.layers.data import open_lmdb

MAP_SIZE = 64 << 20          # bytes of a new LMDB; doubled whenever it is full
BATCH = 16 << 20             # bytes of Datums written in one transaction


def load_mean(path: str | Path) -> np.ndarray:
    """Read a mean .binaryproto: channels x height x width, float32, blue green red.

    Raises FileNotFoundError, ValueError for a file of another kind or of several images.
    """
    mean = blob_array(read_blob(path)).astype(np.float32)
    if mean.ndim == 4 and len(mean) == 1:
        mean = mean[0]
    if mean.ndim not in (1, 3):
        raise ValueError(f'{path}: a blob of shape {mean.shape}; expected the mean of one image, '
                         '1 x channels x height x width')
    return mean


def save_mean(path: str | Path, mean: np.ndarray) -> None:
    """Write a mean (channels x height x width, or a number a channel) as Caffe's tools do."""
    mean = np.asarray(mean, np.float32)
    if mean.ndim not in (1, 3):
        raise ValueError(f'a mean of shape {mean.shape}; expected channels x height x width')
    shape = mean.shape if mean.ndim == 3 else (*mean.shape, 1, 1)
    blob = BlobProto(num=1, channels=shape[0], height=shape[1], width=shape[2])
    blob.data.extend(mean.ravel().tolist())
    write_blob(path, blob)


def read_lmdb(source: str | Path) -> Iterator[tuple[str, Datum]]:
    """Yield key and Datum of every record of an LMDB, in the order of the keys.

    Raises FileNotFoundError, ValueError where it is none, lmdb is missing, or a record is damaged.
    """
    env = open_lmdb(str(source))
    with env.begin() as reader:
        for key, raw in reader.cursor():
            name = key.decode('latin-1')
            datum = Datum()
            try:
                datum.ParseFromString(raw)
            except Exception as error:             # DecodeError differs between versions
                raise ValueError(f'{source}, key {name!r}: no readable Datum: {error}') from None
            yield name, datum


def write_lmdb(target: str | Path, datums: Iterable[Datum | tuple[str, Datum]]) -> int:
    """Write Datums as a new LMDB, whole or not at all; return how many.

    Keys are given beside each Datum, or 00000000, 00000001, … Caffe reads in their order. Raises
    FileExistsError where something stands already, ValueError for a key given twice.
    """
    lmdb, target = _lmdb(), Path(target)
    if target.exists():
        raise FileExistsError(f'{target}: exists already; remove it or write elsewhere')
    if not target.parent.is_dir():
        raise FileNotFoundError(f'{target}: the folder {target.parent} does not exist; make it '
                                'first')
    with workroom(target) as beside:
        try:
            with lmdb.open(str(beside), map_size=MAP_SIZE) as env:
                count = _fill(lmdb, env, datums)
        except lmdb.Error as error:
            if type(error) in (lmdb.Error, lmdb.DiskError):        # what the system refuses
                raise OSError(str(error).removeprefix(f'{beside}: ')) from None
            raise
        os.replace(beside, target)
    return count


def _lmdb() -> ModuleType:
    try:
        import lmdb
    except ImportError:
        raise ValueError('an LMDB is written by the package lmdb; install it: '
                         'pip install lmdb') from None
    return lmdb


def _fill(lmdb: ModuleType, env: Any, datums: Iterable[Datum | tuple[str, Datum]]) -> int:
    """Put all records, some megabytes in each transaction."""
    count, size, batch = 0, 0, []
    for count, item in enumerate(datums, 1):
        key, datum = item if isinstance(item, tuple) else (f'{count - 1:08d}', item)
        batch.append((key.encode('latin-1'), datum.SerializeToString()))
        size += len(batch[-1][1])
        if size >= BATCH:
            _put(lmdb, env, batch)
            size, batch = 0, []
    _put(lmdb, env, batch)
    return count


def _put(lmdb: ModuleType, env: Any, batch: list[tuple[bytes, bytes]]) -> None:
    """Put records in one transaction; a full map is doubled and all is tried again."""
    while True:
        try:
            with env.begin(write=True) as writer:
                for key, raw in batch:
                    if not writer.put(key, raw, overwrite=False):
                        raise ValueError(f'key {key.decode("latin-1")!r} is given twice')
            return
        except lmdb.MapFullError:
            env.set_mapsize(2 * env.info()['map_size'])
