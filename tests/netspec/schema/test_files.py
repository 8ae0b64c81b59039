"""Recognising files of other kinds, and writing all or nothing."""

import io
import os
import pickle
import resource
import stat
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest

from netspec.schema.files import (
    check_ending,
    existing,
    foreign,
    is_text,
    replacing,
    spare,
    write_atomic,
)


def _zip():
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, 'w') as archive:
        archive.writestr('a', 'b')
    return raw.getvalue()


def _npy():
    raw = io.BytesIO()
    np.save(raw, np.zeros(1))
    return raw.getvalue()


@pytest.mark.parametrize(('head', 'kind'), [
    (b'\x89HDF\r\n\x1a\n\0', 'an HDF5 file'), (_zip(), 'a zip archive'), (_npy(), 'a NumPy array'),
    (pickle.dumps({'a': 1}, protocol=2), 'a Python pickle'),
    (pickle.dumps({'a': 1}, protocol=5), 'a Python pickle'),
    (b'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', 'a Git LFS pointer'),
    (b'\n<!DOCTYPE html>', 'a web page'), (b'<html><body>404', 'a web page'),
    ((16).to_bytes(8, 'little') + b'{"a":{"dtype":1}', 'a safetensors file'),
    ('name'.encode('utf-16'), 'text in UTF-16')])
def test_foreign_files_are_named(head, kind):
    assert foreign(head).startswith(kind)


@pytest.mark.parametrize('head', [b'', b'name: "net"\n', b'\x0a\x03net\xa2\x06\x05', b'layer {'])
def test_ours_are_not_foreign(head):
    assert foreign(head) == ''


def test_text_and_binary_are_told_apart():
    assert is_text('# café\r\n\tname: "a"\f'.encode()) and is_text(b'')
    assert not is_text(b'\x0a\x03net') and not is_text(b'a\0')


def test_existing_files_are_let_through_and_others_explained(tmp_path):
    (tmp_path / 'VGG16.caffemodel').write_bytes(b'')
    assert existing(str(tmp_path / 'VGG16.caffemodel')) == tmp_path / 'VGG16.caffemodel'
    with pytest.raises(FileNotFoundError, match=r'no such \.caffemodel; did you mean .*VGG16\.caf'):
        existing(tmp_path / 'vgg-16.caffemodel', '.caffemodel')
    with pytest.raises(FileNotFoundError, match='no such file$'):
        existing(tmp_path / 'qqqq')
    with pytest.raises(FileNotFoundError, match='the folder .*/no does not exist'):
        existing(tmp_path / 'no' / 'net')
    with pytest.raises(IsADirectoryError, match='is a folder; expected a prototxt'):
        existing(tmp_path, 'prototxt')


def test_writing_replaces_the_whole_file(tmp_path):
    path = tmp_path / 'a'
    path.write_bytes(b'old and long')
    write_atomic(path, [b'ne', memoryview(b'w')])
    assert path.read_bytes() == b'new' and os.listdir(tmp_path) == ['a']
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_writing_through_a_link_keeps_the_link(tmp_path):
    (tmp_path / 'real').write_bytes(b'old')
    (tmp_path / 'link').symlink_to('real')
    write_atomic(tmp_path / 'link', [b'new'])
    assert (tmp_path / 'link').is_symlink() and (tmp_path / 'real').read_bytes() == b'new'


@pytest.mark.parametrize('error', [RuntimeError('stop'), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, error):
    def parts():
        yield b'half'
        raise error
    (tmp_path / 'a').write_bytes(b'old')
    with pytest.raises(type(error)):
        write_atomic(tmp_path / 'a', parts())
    assert (tmp_path / 'a').read_bytes() == b'old' and os.listdir(tmp_path) == ['a']


def test_a_write_that_the_system_refuses_leaves_nothing(tmp_path):
    """A limit on file sizes stands in for a full disk: both come as an OSError from write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, hard))
    try:
        with pytest.raises(OSError, match='a.bin: not written, and nothing was left behind: File'):
            write_atomic(tmp_path / 'a.bin', [bytes(1 << 20)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_writing_into_no_folder_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match='the folder .*/no does not exist; make it first'):
        write_atomic(tmp_path / 'no' / 'a', [b''])


def written(path: Path, how: str) -> None:
    """Write b'new' to a path by either function."""
    if how == 'parts':
        write_atomic(path, [b'n', memoryview(b'ew')])
        return
    with replacing(path) as beside:
        assert beside.suffix == path.suffix
        beside.write_bytes(b'new')


@pytest.mark.parametrize('how', ['parts', 'block'])
def test_a_pipe_is_written_into(how, tmp_path):
    os.mkfifo(tmp_path / 'pipe.json')
    got = []
    reader = threading.Thread(target=lambda: got.append((tmp_path / 'pipe.json').read_bytes()))
    reader.start()
    written(tmp_path / 'pipe.json', how)
    reader.join(10)
    assert got == [b'new'] and os.listdir(tmp_path) == ['pipe.json']
    assert stat.S_ISFIFO((tmp_path / 'pipe.json').stat().st_mode)


@pytest.mark.parametrize('how', ['parts', 'block'])
@pytest.mark.parametrize('through', ['null.json', 'link.json'])
def test_a_device_stays_a_device(through, how, tmp_path):
    """A device of the same kind as /dev/null, in a folder of the test's own."""
    try:
        os.mknod(tmp_path / 'null.json', stat.S_IFCHR | 0o600, os.makedev(1, 3))
        (tmp_path / 'null.json').write_bytes(b'')
    except OSError:
        pytest.skip('no device may be made or opened here')
    (tmp_path / 'link.json').symlink_to('null.json')
    written(tmp_path / through, how)
    assert stat.S_ISCHR((tmp_path / 'null.json').stat().st_mode)
    assert (tmp_path / 'link.json').is_symlink() and len(os.listdir(tmp_path)) == 2


def test_a_block_replaces_what_a_link_leads_to(tmp_path):
    (tmp_path / 'there').mkdir()
    (tmp_path / 'there' / 'real').write_bytes(b'old')
    (tmp_path / 'link.png').symlink_to('there/real')
    written(tmp_path / 'link.png', 'block')
    assert (tmp_path / 'link.png').is_symlink()
    assert (tmp_path / 'there' / 'real').read_bytes() == b'new'
    assert os.listdir(tmp_path / 'there') == ['real']


def test_a_block_that_fails_leaves_the_old_file(tmp_path):
    (tmp_path / 'a').write_bytes(b'old')
    with pytest.raises(OSError, match='a: not written, and nothing was left behind: no such form'):
        with replacing(tmp_path / 'a') as beside:
            beside.write_bytes(b'half')
            raise OSError('no such form')
    assert (tmp_path / 'a').read_bytes() == b'old' and os.listdir(tmp_path) == ['a']


def test_what_is_read_is_spared(tmp_path):
    (tmp_path / 'a').write_bytes(b'')
    (tmp_path / 'link').symlink_to('a')
    spare([tmp_path / 'b', tmp_path / 'c'], [tmp_path / 'a'], 'name another')
    with pytest.raises(ValueError, match='link: is read here, and would be written over; name an'):
        spare([tmp_path / 'b', tmp_path / 'link'], [tmp_path / 'a'], 'name another')


def test_endings_are_known_or_the_file_is_a_pipe(tmp_path):
    for name in ('a.caffemodel', 'b.caffemodel.h5', 'C.CaffeModel'):
        check_ending(tmp_path / name, ['.caffemodel', '.h5'])
    with pytest.raises(ValueError, match=r'a.txt: its ending says no format; expected .* in .h5$'):
        check_ending(tmp_path / 'a.txt', ['.h5'])
    os.mkfifo(tmp_path / 'pipe')
    check_ending(tmp_path / 'pipe', ['.h5'])
