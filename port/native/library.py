"""A C source file as a loaded library: taken from the cache, or compiled at first use.

Where there is no compiler, or FCN_NATIVE=0, nothing breaks: each room that has C code can do the
same work by torch or numpy, only slower. With FCN_NATIVE=avx2 no library has vectors wider than
AVX2's, whatever the processor has. What caps torch's own code (ATEN_CPU_CAPABILITY) or oneDNN's
(ONEDNN_MAX_CPU_ISA) says nothing about ours, as it says nothing about one another's.
"""

import ctypes
import logging
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from port.native.compiler import HEADERS, Compiler, find_compiler
from port.native.library_cache import BUILDING, digest, find_library, folders, keep_library

log = logging.getLogger('port.native')
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.MULTILINE)


def load(source: Path) -> ctypes.CDLL | None:
    """Return the library of a source file; None where it cannot be had.

    The source may include headers beside it, and those of this folder (vector.h). Each call loads
    the library anew: the caller keeps it.
    """
    wanted = os.environ.get('FCN_NATIVE', '')
    if wanted not in ('', '0', '1', 'avx2'):
        raise ValueError(f'FCN_NATIVE={wanted}: expected 0 (no C kernels), avx2 (no vectors wider '
                         'than those) or 1 (all that the processor has), as without it')
    if wanted == '0':
        return None
    compiler = _compiler(os.environ.get('CC', ''), os.environ.get('PATH', ''), wanted != 'avx2')
    if compiler is None:
        log.info('no C compiler; the work of %s is done without it, slower', source.name)
        return None
    key = cache_key(compiler, source)
    failure = ''
    for folder in folders():
        try:
            return ctypes.CDLL(str(find_library(folder, source.stem, key)
                                   or _build(compiler, source, folder, key)))
        except (OSError, subprocess.SubprocessError) as error:
            failure = f'{folder}: {_last_line(error)}'
    log.warning('%s cannot be compiled; its work is done without it, slower: %s', source.name,
                failure)
    return None


def _last_line(error: Exception) -> str:
    """Return what a compiler said last, or the error's own text."""
    said = (getattr(error, 'stderr', None) or '').strip()
    return (said or str(error)).splitlines()[-1]


@cache
def _compiler(cc: str, path: str, avx512: bool) -> Compiler | None:
    """Look for the compiler once, and again where the environment names another."""
    return find_compiler(avx512)


def cache_key(compiler: Compiler, source: Path) -> str:
    """Return what tells two libraries apart: the text of the source and of all that it includes,
    the compiler with its version, its flags, and the processor's abilities.
    """
    texts = [path.name + '\n' + path.read_text() for path in sorted(_texts(source))]
    return digest('\0'.join([*texts, *compiler.command, *compiler.flags,
                             compiler.macros]).encode())


def _texts(source: Path) -> set[Path]:
    """Return a source file and the headers that it includes, those of headers too."""
    found, new = set[Path](), {source.resolve()}
    while new:
        found |= new
        new = {header for path in new for header in _included(path)} - found
    return found


def _included(path: Path) -> Iterator[Path]:
    for name in INCLUDE.findall(path.read_text()):
        for folder in (path.parent, HEADERS):
            if (folder / name).is_file():
                yield (folder / name).resolve()
                break


def _build(compiler: Compiler, source: Path, folder: Path, key: str) -> Path:
    """Compile beside the target, so that the finished file takes its name in one step."""
    with tempfile.TemporaryDirectory(prefix=BUILDING, dir=folder) as apart:
        built = Path(apart) / f'{source.stem}.so'
        compiler.build(source, built)
        return keep_library(folder, source.stem, key, built)
