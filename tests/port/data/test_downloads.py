"""port.data.downloads: files by their addresses (file: here), digests, archives."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from port.data.downloads import fetch, unpack


def digest(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def test_a_file_is_kept_where_its_digest_is_right(tmp_path: Path) -> None:
    source = tmp_path / 'a.bin'
    source.write_bytes(b'weights' * 1000)
    out = tmp_path / 'out'
    path = fetch(source.as_uri(), out, md5=digest(source))
    assert path == out / 'a.bin' and path.read_bytes() == source.read_bytes()
    source.unlink()
    assert fetch(source.as_uri(), out, md5=digest(path)) == path       # it is there already
    with pytest.raises(OSError, match=r'a\.bin: cannot be downloaded: .*by other means into'):
        fetch(source.as_uri(), out, md5='0' * 32)
    assert path.exists()


def test_a_file_with_another_digest_is_not_kept(tmp_path: Path) -> None:
    source = tmp_path / 'a.bin'
    source.write_bytes(b'<html>')
    with pytest.raises(ValueError, match=r'its SHA1 is \w+, expected 000.*; it was not kept'):
        fetch(source.as_uri(), tmp_path / 'out', sha1='0' * 40)
    assert not list((tmp_path / 'out').iterdir())


def packed(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, 'w:gz') as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_a_folder_of_an_archive_goes_to_its_place(tmp_path: Path) -> None:
    made = packed(tmp_path / 'b.tgz', {'release/dataset/train.txt': b'a\n', 'release/more': b''})
    unpack(made, 'release/dataset', tmp_path / 'data/sbdd/dataset')
    assert (tmp_path / 'data/sbdd/dataset/train.txt').read_text() == 'a\n'
    assert [p.name for p in tmp_path.iterdir()] == ['data'] and not made.exists()
    assert [p.name for p in (tmp_path / 'data/sbdd').iterdir()] == ['dataset']


@pytest.mark.parametrize(('members', 'words'), [
    ({'other/x': b''}, 'holds no folder release'), ({'../x': b''}, 'cannot be unpacked')])
def test_an_archive_of_something_else_leaves_nothing(tmp_path: Path, members: dict[str, bytes],
                                                     words: str) -> None:
    made = packed(tmp_path / 'b.tgz', members)
    with pytest.raises(ValueError, match=words):
        unpack(made, 'release', tmp_path / 'data/x')
    assert made.exists() and not list((tmp_path / 'data').iterdir())


def test_a_plain_file_is_moved(tmp_path: Path) -> None:
    (tmp_path / 'list.txt').write_text('a\n')
    unpack(tmp_path / 'list.txt', '', tmp_path / 'deep/er/list.txt')
    assert (tmp_path / 'deep/er/list.txt').read_text() == 'a\n'
