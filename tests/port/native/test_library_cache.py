"""Which folder keeps compiled libraries, and which files of it may be loaded."""

import logging
import os
import pwd
import stat
import tempfile
import time
from pathlib import Path

import pytest

from port.native import library_cache
from port.native.library_cache import (
    ABANDONED,
    BUILDING,
    file_name,
    find_library,
    folders,
    keep_library,
    private,
)


@pytest.fixture(autouse=True)
def fresh() -> None:
    library_cache._complain.cache_clear()


def kept(folder, contents: bytes, key: str = 'key'):
    built = folder / 'built.so'
    built.write_bytes(contents)
    return keep_library(folder, 'lib', key, built)


def test_a_library_is_found_under_its_own_key_only(tmp_path) -> None:
    path = kept(tmp_path, b'one')
    assert find_library(tmp_path, 'lib', 'key') == path
    assert find_library(tmp_path, 'lib', 'yek') is None
    assert find_library(tmp_path, 'other', 'key') is None
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.mark.parametrize('left', [b'', b'whole libra', b'whole librarY'])
def test_what_is_not_whole_is_not_loaded_and_makes_room(tmp_path, left: bytes) -> None:
    path = kept(tmp_path, b'whole library')
    path.write_bytes(left)
    assert find_library(tmp_path, 'lib', 'key') is None
    assert kept(tmp_path, b'another compilation') != path
    assert not path.exists()


def test_a_whole_library_stays_beside_another(tmp_path) -> None:
    """Another process may be about to load it."""
    first, second = kept(tmp_path, b'one'), kept(tmp_path, b'two')
    assert first.exists() and second.exists()


def test_what_others_may_write_to_is_not_loaded(tmp_path) -> None:
    path = kept(tmp_path, b'one')
    path.chmod(0o720)
    assert not private(path) and find_library(tmp_path, 'lib', 'key') is None


def test_what_another_user_owns_is_not_loaded(tmp_path, monkeypatch) -> None:
    path, me = kept(tmp_path, b'one'), os.getuid()
    monkeypatch.setattr(os, 'getuid', lambda: me + 1)
    assert not private(path) and find_library(tmp_path, 'lib', 'key') is None


def test_killed_builds_are_cleared_away(tmp_path) -> None:
    old, new = tmp_path / f'{BUILDING}old', tmp_path / f'{BUILDING}new'
    for folder in (old, new):
        folder.mkdir()
    before = time.time() - ABANDONED - 1
    os.utime(old, (before, before))
    kept(tmp_path, b'one')
    assert not old.exists() and new.exists()


def test_the_users_cache_is_made_private(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'deep'))
    first = next(folders())
    assert first == tmp_path / 'deep' / 'fcn-caffe'
    assert stat.S_IMODE(first.stat().st_mode) == 0o700
    first.chmod(0o777)                     # as an earlier program may have left it
    assert stat.S_IMODE(next(folders()).stat().st_mode) == 0o700


def test_a_relative_cache_is_ignored(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', 'here')
    monkeypatch.setenv('HOME', str(tmp_path))
    assert next(folders()) == tmp_path / '.cache' / 'fcn-caffe'


def test_a_user_without_a_home(tmp_path, monkeypatch) -> None:
    """Path.home() raises for a user without $HOME who is not in the system's list."""
    for name in ('HOME', 'XDG_CACHE_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, 'getpwuid', lambda user: {}[user])
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))
    with pytest.raises(RuntimeError):
        Path.home()
    assert next(folders()) == tmp_path / f'fcn-caffe-{os.getuid()}'


def test_an_unusable_cache_is_said_once(tmp_path, monkeypatch, caplog) -> None:
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    with caplog.at_level(logging.WARNING, 'port.native'):
        for _ in range(3):
            (passing,) = folders()
    (record,) = caplog.records
    assert str(tmp_path / 'file') in record.message and 'XDG_CACHE_HOME' in record.message
    assert private(passing)


def test_another_users_folder_is_not_used(tmp_path, monkeypatch, caplog) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    me = os.getuid()
    (tmp_path / 'fcn-caffe').mkdir(mode=0o700)
    monkeypatch.setattr(os, 'getuid', lambda: me + 1)
    (found,) = folders()
    assert found != tmp_path / 'fcn-caffe'
    assert f'belongs to user {me}, not to {me + 1}' in caplog.text


def test_the_digest_is_in_the_name() -> None:
    assert file_name('lib', 'key', b'a') != file_name('lib', 'key', b'b')
