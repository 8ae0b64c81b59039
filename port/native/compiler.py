"""The machine's C compiler: which one, how it is told to use all of the processor, what it is.

A library is compiled for the very processor that will run it, with its widest vectors, as
`-march=native` asks for; or, where that is asked for, with none wider than AVX2's.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HEADERS = Path(__file__).parent          # those of this folder are for every source
FLAGS = ('-O3', '-shared', '-fPIC', '-fno-math-errno')     # so that a root is an instruction
FOR_THIS_PROCESSOR = (('-march=native',), ('-mcpu=native',), ())     # clang on ARM takes the second
# What takes AVX-512 from a compiler that has just been given it, and what tells whether it has it.
# With the first, gcc and clang know all else of the processor; the second is for a compiler that
# has AVX-512 by way of AVX10, and every processor with AVX-512 can do what it asks for.
WITHOUT_AVX512, AVX512 = ('-mno-avx512f', '-march=haswell'), '__AVX512F__'
ASK_LIMIT, COMPILE_LIMIT = 20.0, 300.0       # seconds


@dataclass(frozen=True)
class Compiler:
    """command: the program and the words before its options, as in CC="ccache gcc".
    flags: the options of every compilation. macros: all that the compiler defines by itself with
    these flags: its version, the system and each of the processor's abilities.
    """

    command: tuple[str, ...]
    flags: tuple[str, ...]
    macros: str

    def build(self, source: Path, library: Path) -> None:
        """Compile a source file to a library; OSError or SubprocessError where that fails."""
        subprocess.run([*self.command, *self.flags, f'-I{HEADERS}', str(source), '-o',
                        str(library)], check=True, capture_output=True, text=True,
                       timeout=COMPILE_LIMIT)


def find_compiler(avx512: bool = True) -> Compiler | None:
    """Return $CC, else gcc, else clang; None where there is none that works.

    Which processor this is, and which version of the compiler, the compiler itself says best,
    on every system: `-dM -E` has it print its predefined macros (__AVX512F__, __VERSION__ ...).
    avx512: False for kernels as for a processor without it.
    """
    words = shlex.split(os.environ.get('CC', ''))
    if not words:
        found = shutil.which('gcc') or shutil.which('clang')
        words = [found] if found else []
    for native in FOR_THIS_PROCESSOR if words else ():
        macros = _macros(words, native)
        if macros is None:
            continue
        if avx512 or AVX512 not in macros:
            return Compiler(tuple(words), (*FLAGS, *native), macros)
        for without in WITHOUT_AVX512:
            macros = _macros(words, (*native, without))
            if macros is not None and AVX512 not in macros:
                return Compiler(tuple(words), (*FLAGS, *native, without), macros)
    return None


def _macros(words: Sequence[str], options: Sequence[str]) -> str | None:
    """Return what a compiler defines by itself with some options; None where it cannot say."""
    try:
        return subprocess.run([*words, *options, '-dM', '-E', '-x', 'c', '-'], input='', check=True,
                              capture_output=True, text=True, timeout=ASK_LIMIT).stdout
    except (OSError, subprocess.SubprocessError):
        return None
