"""Which compiler is taken, and what it is asked."""

import os
import shutil
from pathlib import Path

import pytest

from port.native.compiler import AVX512, FOR_THIS_PROCESSOR, WITHOUT_AVX512, find_compiler

REAL = find_compiler()
pytestmark = pytest.mark.skipif(REAL is None, reason='no C compiler here')


def script(path: Path, text: str) -> str:
    path.write_text('#!/bin/sh\n' + text)
    path.chmod(0o755)
    return str(path)


def test_the_processor_and_the_version_are_among_the_macros() -> None:
    assert '__VERSION__' in REAL.macros
    assert any(name in REAL.macros for name in ('__x86_64__', '__aarch64__', '__arm64__'))


def test_a_compiler_of_several_words(tmp_path, monkeypatch) -> None:
    """As CC="ccache gcc", and with a path that holds a blank."""
    folder = tmp_path / 'my tools'
    folder.mkdir()
    wrapper = script(folder / 'wrapper', f'echo "$1" >> "{tmp_path}/seen"\nexec "$@"\n')
    monkeypatch.setenv('CC', f"'{wrapper}' {REAL.command[0]}")
    found = find_compiler()
    assert found.command == (wrapper, *REAL.command)
    source = tmp_path / 'one.c'
    source.write_text('int one(void) { return 1; }\n')
    found.build(source, tmp_path / 'one.so')
    assert (tmp_path / 'one.so').stat().st_size > 0
    assert set((tmp_path / 'seen').read_text().split()) == {REAL.command[0]}


def test_a_compiler_that_does_not_know_march_native(tmp_path, monkeypatch) -> None:
    """clang for ARM takes -mcpu=native, others neither."""
    real = REAL.command[0]
    refuse = 'for word; do case "$word" in {}) exit 1;; esac; done\n'
    kept = 'for word; do shift; [ "$word" = -mcpu=native ] || set -- "$@" "$word"; done\n'
    monkeypatch.setenv('CC', script(tmp_path / 'arm', refuse.format('-march=native') + kept
                                    + f'exec {real} "$@"\n'))
    assert find_compiler().flags[-1:] == FOR_THIS_PROCESSOR[1]
    monkeypatch.setenv('CC', script(tmp_path / 'old', refuse.format('-m*=native')
                                    + f'exec {real} "$@"\n'))
    assert not any('native' in flag for flag in find_compiler().flags)


def test_without_avx512() -> None:
    """Nothing else is left out: what the kernels take of AVX2 stays."""
    found = find_compiler(avx512=False)
    assert AVX512 not in found.macros
    for name in ('__AVX2__', '__FMA__'):
        assert (name in found.macros) == (name in REAL.macros)
    assert (found == REAL) == (AVX512 not in REAL.macros)


@pytest.mark.skipif(REAL is not None and AVX512 not in REAL.macros, reason='no AVX-512 here')
def test_a_compiler_that_keeps_avx512(tmp_path, monkeypatch) -> None:
    """It is told of a processor that has none."""
    kept = 'for word; do shift; [ "$word" = {} ] || set -- "$@" "$word"; done\n'
    monkeypatch.setenv('CC', script(tmp_path / 'wide', kept.format(WITHOUT_AVX512[0])
                                    + f'exec {REAL.command[0]} "$@"\n'))
    assert AVX512 in find_compiler().macros
    found = find_compiler(avx512=False)
    assert found.flags[-1] == WITHOUT_AVX512[1] and AVX512 not in found.macros


@pytest.mark.parametrize('cc', ['/no/such/compiler', 'false', os.devnull])
def test_a_compiler_that_does_not_work(monkeypatch, cc: str) -> None:
    monkeypatch.setenv('CC', cc)
    assert find_compiler() is None


def test_no_compiler_at_all(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv('CC', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path))
    assert find_compiler() is None
    os.symlink(shutil.which(REAL.command[0]), tmp_path / 'clang')
    monkeypatch.setattr('port.native.compiler.shutil.which',
                        lambda name: str(tmp_path / name) if name == 'clang' else None)
    assert find_compiler().command == (str(tmp_path / 'clang'),)
