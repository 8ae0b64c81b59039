"""MATLAB files: what scipy wrote, both byte orders, and damage, which is one ValueError."""

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from port.images.mat_files import mat_bytes, read_array

LABELS = np.arange(35).reshape(5, 7) % 21


def sbdd(label: np.ndarray) -> dict:
    """The struct of SBDD: cells of sparse matrices before the field that is read."""
    cells = np.empty((3, 1), object)
    for i in range(3):
        cells[i, 0] = scipy.sparse.csc_matrix(label == i)
    return {'Boundaries': cells, 'Segmentation': label, 'Categories': 'a text'}


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('kind', ['u1', 'i1', 'u2', 'i2', 'i4', 'u4', 'i8', 'u8', 'f4', 'f8', '?'])
def test_what_scipy_wrote(tmp_path: Path, kind: str, packed: bool) -> None:
    content = {'text': 'first', 'S': LABELS.astype(kind), 'GTcls': sbdd(LABELS.astype(kind)),
               'small': np.array([[1, 2]], 'u1'), 'empty': np.zeros((0, 3)),
               'cube': np.arange(24.).reshape(2, 3, 4), 'nothing': {}}
    scipy.io.savemat(tmp_path / 'a.mat', content, do_compression=packed)
    theirs = scipy.io.loadmat(tmp_path / 'a.mat')
    for name in ('S', 'small', 'empty', 'cube'):
        ours = read_array(tmp_path / 'a.mat', name)
        assert ours.dtype == theirs[name].dtype and ours.shape == theirs[name].shape
        np.testing.assert_array_equal(ours, theirs[name])
    inside = read_array(tmp_path / 'a.mat', 'GTcls', 'Segmentation')
    np.testing.assert_array_equal(inside, LABELS.astype(kind))


def element(order: str, kind: int, data: bytes) -> bytes:
    return struct.pack(f'{order}2I', kind, len(data)) + data + b'\0' * (-len(data) % 8)


def mat_file(order: str, stored: int, data: bytes, shape: tuple = (2, 3), kind: int = 9,
             packed: bool = False) -> bytes:
    """A file of one variable 'S', by the format's own words."""
    inside = (element(order, 6, struct.pack(f'{order}2I', kind, 0))
              + element(order, 5, struct.pack(f'{order}{len(shape)}i', *shape))
              + element(order, 1, b'S') + element(order, stored, data))
    matrix = element(order, 14, inside)
    if packed:
        body = zlib.compress(matrix)
        matrix = struct.pack(f'{order}2I', 15, len(body)) + body
    tail = b'\0\1IM' if order == '<' else b'\1\0MI'
    return b'MATLAB 5.0 MAT-file'.ljust(124) + tail + matrix


@pytest.mark.parametrize('packed', [False, True])
@pytest.mark.parametrize('order', ['<', '>'])
def test_both_byte_orders(tmp_path: Path, order: str, packed: bool) -> None:
    data = np.arange(6, dtype=f'{order}u2').tobytes()
    (tmp_path / 'a.mat').write_bytes(mat_file(order, 4, data, packed=packed))
    assert read_array(tmp_path / 'a.mat', 'S').tolist() == [[0, 2, 4], [1, 3, 5]]


@pytest.mark.parametrize(('content', 'said'), [
    (mat_file('<', 2, bytes(6), (2, -3)), 'array of shape'),
    (mat_file('<', 2, bytes(6), (1 << 20, 1 << 20)), 'expected at most'),
    (mat_file('<', 2, bytes(6), (1 << 14, 1 << 14)), '6 bytes of type 2 for an array of shape'),
    (mat_file('<', 99, bytes(6)), 'of type 99'),
    (mat_file('<', 2, bytes(6), kind=4), 'class 4; expected plain numbers'),
    (mat_file('<', 2, bytes(6), kind=2), 'class 2; expected plain numbers'),
    (mat_file('<', 2, bytes(6))[:-20], 'it ends'),
    (b'\0' * 20 + b'version 4', 'save it again with -v7'),
    (b'MATLAB 7.3 MAT-file'.ljust(124) + b'\0\2IM', 'of version 7.3; save it again with -v7')])
def test_refusals(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / 'a.mat').write_bytes(content)
    with pytest.raises(ValueError, match=f'a.mat: cannot be read as a MATLAB file: .*{said}'):
        read_array(tmp_path / 'a.mat', 'S')


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A variable of 1 GB of zeros in 1 MB: stepped over, or refused by its shape."""
    piece, packer = bytes(1 << 24), zlib.compressobj(1)
    body = packer.compress(mat_file('<', 2, b'')[128:-8] + struct.pack('<2I', 2, 1 << 30))
    body += b''.join(packer.compress(piece) for _ in range(8)) + packer.flush()
    (tmp_path / 'a.mat').write_bytes(mat_file('<', 2, b'')[:128]
                                     + struct.pack('<2I', 15, len(body)) + body)
    with pytest.raises(ValueError, match='1073741824 bytes of type 2 for an array of shape'):
        read_array(tmp_path / 'a.mat', 'S')


def test_damage_anywhere(tmp_path: Path) -> None:
    """Every fifth file of it ended scipy's reader by a signal now and then."""
    path, rng = tmp_path / 'a.mat', random.Random(14)
    seeds = []
    for packed in (False, True):
        scipy.io.savemat(path, {'x': 'a', 'GTcls': sbdd(LABELS.astype('u1'))},
                         do_compression=packed)
        seeds.append(path.read_bytes())
    for _ in range(400):
        raw = bytearray(rng.choice(seeds))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(124, len(raw))
            raw[at:at + rng.choice((1, 1, 4))] = rng.choice(
                (bytes([rng.randrange(256)]), struct.pack('<I', rng.choice((0, 1 << 31, 7))), b''))
        path.write_bytes(raw)
        try:
            assert read_array(path, 'GTcls', 'Segmentation').size <= len(raw) * 1100
        except ValueError as error:
            assert str(error).startswith(str(path))


def test_what_is_written_has_no_date_and_is_read(tmp_path: Path) -> None:
    labels = np.arange(12, dtype='u1').reshape(3, 4)
    raw = [mat_bytes({'S': labels}, packed) for packed in (False, True, False)]
    assert raw[0] == raw[2] and raw[0].startswith(b'MATLAB 5.0 MAT-file, written by fcn-caffe  ')
    for i in range(2):
        (tmp_path / 'a.mat').write_bytes(raw[i])
        assert (read_array(tmp_path / 'a.mat', 'S') == labels).all()
        assert (scipy.io.loadmat(tmp_path / 'a.mat')['S'] == labels).all()
