"""MATLAB files of blobs, as MatWrite and MatRead name and fill them (DeepLab's matio_io.cpp)."""

from pathlib import Path

import numpy as np

from netspec.schema import write_atomic
from port.images.mat_files import mat_bytes, read_array

VARIABLE = 'data'


def file_names(source: str, strip: int) -> list[str]:
    """Read the first word of each line, less its last `strip` characters."""
    if strip < 0:
        raise ValueError(f'strip is {strip}; expected 0 or more')
    try:
        lines = Path(source).read_text(encoding='utf-8').rstrip().splitlines()
    except FileNotFoundError:
        raise FileNotFoundError(f'{source}: no such list of names') from None
    words = [line.split()[0] if line.strip() else '' for line in lines]
    for number, word in enumerate(words, 1):
        if len(word) <= strip:
            raise ValueError(f'{source}:{number}: {word!r} has {len(word)} characters; expected '
                             f'a name of more than {strip}')
    if not words:
        raise ValueError(f'{source}: the list of names is empty')
    return [word[:len(word) - strip] for word in words]


def write_mat(path: str, blob: np.ndarray) -> None:
    """Write a blob N x C x H x W as W x H x C x N; whole or not at all."""
    array = blob.reshape(blob.shape + (1,) * (4 - blob.ndim)).T
    write_atomic(path, [mat_bytes({VARIABLE: array})])


def read_mat(path: str) -> np.ndarray:
    """Read what `write_mat` or the fork wrote, N x C x H x W; MATLAB drops axes of 1 at the end."""
    try:
        array = read_array(path, VARIABLE)
    except FileNotFoundError:
        raise FileNotFoundError(f'{path}: no such MATLAB file') from None
    if array.ndim > 4:
        raise ValueError(f'{path}: {VARIABLE!r} has shape {list(array.shape)}; expected up to 4 '
                         'axes')
    return array.reshape(array.shape + (1,) * (4 - array.ndim)).T
