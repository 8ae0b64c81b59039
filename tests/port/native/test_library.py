"""Compiled, kept, loaded: what makes a library another one, and what is done without it."""

import dataclasses
import logging
import os
from pathlib import Path

import pytest

import port
from port.native import library
from port.native.compiler import Compiler, find_compiler
from port.native.library import cache_key, load

OWN = sorted(Path(port.__file__).parent.rglob('*.c'))
COMPILER = find_compiler()
pytestmark = pytest.mark.skipif(COMPILER is None, reason='no C compiler here')
CODE = '#include "{}"\nint answer(void) {{ return ANSWER; }}\n'


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.delenv('FCN_NATIVE', raising=False)
    return tmp_path / 'cache' / 'fcn-caffe'


@pytest.fixture
def source(tmp_path) -> Path:
    """A source whose header includes another, which has the number."""
    (tmp_path / 'number.h').write_text('#define ANSWER 42\n')
    (tmp_path / 'outer.h').write_text('  #  include "number.h"\n')
    path = tmp_path / 'answer.c'
    path.write_text(CODE.format('outer.h'))
    return path


@pytest.fixture
def builds(monkeypatch) -> list[Path]:
    """The sources that are compiled."""
    seen: list[Path] = []
    build = Compiler.build

    def count(self: Compiler, source: Path, target: Path) -> None:
        seen.append(source)
        build(self, source, target)
    monkeypatch.setattr(Compiler, 'build', count)
    return seen


def test_compiled_once(cache, source, builds) -> None:
    assert load(source).answer() == load(source).answer() == 42
    assert builds == [source] and len(list(cache.iterdir())) == 1


def test_a_changed_header_of_a_header_compiles_anew(cache, source, builds) -> None:
    assert load(source).answer() == 42
    (source.parent / 'number.h').write_text('#define ANSWER 43\n')
    assert load(source).answer() == 43
    (source.parent / 'number.h').write_text('#define ANSWER 42\n')
    assert load(source).answer() == 42
    assert len(builds) == 2                    # the first is still there


def test_the_key_has_everything(source) -> None:
    keys = {cache_key(COMPILER, source)}
    for other in (dataclasses.replace(COMPILER, command=('ccache', *COMPILER.command)),
                  dataclasses.replace(COMPILER, flags=(*COMPILER.flags, '-g')),
                  dataclasses.replace(COMPILER, macros=COMPILER.macros + '#define __AVX9__ 1\n')):
        keys.add(cache_key(other, source))
    for name in ('answer.c', 'outer.h', 'number.h'):
        path = source.parent / name
        before = path.read_text()
        path.write_text(before + '\n')
        keys.add(cache_key(COMPILER, source))
        path.write_text(before)
    assert len(keys) == 7
    assert cache_key(COMPILER, source) in keys


def test_the_key_has_the_rooms_own_header(source) -> None:
    plain = cache_key(COMPILER, source)
    source.write_text(source.read_text().replace('outer.h', 'vector.h'))
    (source.parent / 'vector.h').write_text('#define ANSWER 1\n')    # beside the source comes first
    beside = cache_key(COMPILER, source)
    (source.parent / 'vector.h').unlink()
    assert len({plain, beside, cache_key(COMPILER, source)}) == 3


@pytest.mark.parametrize('keep', [0, 100, -1])
def test_a_damaged_library_is_compiled_again(cache, source, builds, keep: int) -> None:
    load(source)
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole[:keep])             # a new file: the loaded one stays as it is
    path.chmod(0o700)
    assert load(source).answer() == 42
    assert len(builds) == 2 and len(list(cache.iterdir())) == 1


def test_an_unusable_cache_does_not_keep_from_compiling(source, tmp_path, monkeypatch) -> None:
    (tmp_path / 'file').write_text('')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'file'))
    assert load(source).answer() == 42


def test_a_read_only_cache_is_read(cache, source, builds, monkeypatch) -> None:
    load(source)
    monkeypatch.setattr(library, '_build', None)
    assert load(source).answer() == 42


def test_what_does_not_compile_is_said(cache, source, caplog) -> None:
    source.write_text('int answer(void) { return ANSWER; }\n')
    with caplog.at_level(logging.WARNING, 'port.native'):
        assert load(source) is None
    assert 'answer.c cannot be compiled; its work is done without it' in caplog.text
    assert not list(cache.iterdir())


def test_the_last_line_of_the_compiler_is_said(cache, source, tmp_path, monkeypatch,
                                               caplog) -> None:
    compiler = tmp_path / 'cc'
    compiler.write_text('#!/bin/sh\ncase "$*" in *-dM*) echo "#define NONE 1";; *) '
                        "printf 'the first\\nthe second\\nthe last\\n\\n' >&2; exit 1;; esac\n")
    compiler.chmod(0o755)
    monkeypatch.setenv('CC', str(compiler))
    with caplog.at_level(logging.WARNING, 'port.native'):
        assert load(source) is None
    assert caplog.messages[-1].endswith(': the last')


@pytest.mark.parametrize('name,value', [('FCN_NATIVE', '0'), ('CC', '/no/such/compiler')])
def test_without_kernels(cache, source, monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert load(source) is None
    assert not os.path.exists(cache)


def test_without_avx512(cache, source, builds, monkeypatch) -> None:
    """Kept beside the other, where there are two; a name that is not known does not pass for it."""
    source.write_text('#include "vector.h"\n')
    widest = load(source).vector_width()
    for value, width in (('avx2', min(8, widest)), ('1', widest), ('', widest)):
        monkeypatch.setenv('FCN_NATIVE', value)
        assert load(source).vector_width() == width
    assert len(builds) == len(list(cache.iterdir())) == (2 if widest > 8 else 1)
    monkeypatch.setenv('FCN_NATIVE', 'avx')
    with pytest.raises(ValueError, match='FCN_NATIVE=avx: expected 0 .*, avx2 .* or 1 '):
        load(source)


@pytest.mark.parametrize('own', OWN, ids=lambda path: path.name)
def test_our_sources_compile(own: Path) -> None:
    """A source that silently went missing or broke would leave only slower ways."""
    assert load(own) is not None


def test_our_sources_are_found() -> None:
    assert {'winograd.c', 'fourier.c', 'batch_norm.c'} <= {path.name for path in OWN}


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='gone.c'):
        load(tmp_path / 'gone.c')
