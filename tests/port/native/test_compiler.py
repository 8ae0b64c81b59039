"""Kernels from a C file: found, refused where the file is not, every source of ours among them."""

import shutil
from pathlib import Path

import pytest

import port
from port.native.compiler import compiled

SOURCES = sorted(Path(port.__file__).parent.rglob('*.c'))


@pytest.mark.parametrize('source', SOURCES, ids=lambda path: path.name)
def test_our_kernels_compile(source: Path) -> None:
    if not (shutil.which('gcc') or shutil.which('clang')):
        pytest.skip('no C compiler here')
    assert compiled(source) is not None


def test_sources_are_found() -> None:
    """A kernel that silently went missing would leave only slower ways: the rooms hold them."""
    assert {'kernels.c', 'fourier.c', 'stage.c'} <= {path.name for path in SOURCES}


def test_a_source_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='no such source of kernels'):
        compiled(tmp_path / 'gone.c')


def test_a_header_beside_counts(tmp_path: Path, monkeypatch) -> None:
    """A changed header is a changed kernel, not the one kept from before."""
    if not (shutil.which('gcc') or shutil.which('clang')):
        pytest.skip('no C compiler here')
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    source, header = tmp_path / 'k.c', tmp_path / 'k.h'
    source.write_text('#include "k.h"\nint answer(void) { return ANSWER; }\n')
    found = []
    for answer in (1, 2):
        header.write_text(f'#define ANSWER {answer}\n')
        found.append(compiled(source).answer())
    assert found == [1, 2]
