"""C kernels: compiled by the machine's own compiler at first use, and kept in the user's cache.

Where there is no compiler, or FCN_NATIVE=0, nothing breaks: torch's operators are used.
"""

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

log = logging.getLogger('port.fast')
HERE = Path(__file__).parent
HEADER = HERE / 'vector.h'
FLAGS = ('-O3', '-march=native', '-shared', '-fPIC')
COMPILE_LIMIT = 120.0       # seconds


def _cache_folder() -> Path:
    base = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    return Path(base) / 'fcn-caffe'


def _machine() -> str:
    """Return what the compiled code depends on: the processor's abilities."""
    try:
        lines = Path('/proc/cpuinfo').read_text().splitlines()
    except OSError:
        return ''
    return next((line for line in lines if line.startswith(('flags', 'Features'))), '')


def _compile(compiler: str, source: Path) -> Path:
    text = source.read_text() + HEADER.read_text() + compiler + _machine()
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    target = _cache_folder() / f'{source.stem}-{key}.so'
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            built = Path(folder) / target.name
            subprocess.run([compiler, *FLAGS, str(source), '-o', str(built)], check=True,
                           capture_output=True, timeout=COMPILE_LIMIT)
            os.replace(built, target)
    return target


def compiled(name: str) -> ctypes.CDLL | None:
    """Return the kernels of a source file beside this one, None where they cannot be had. To be
    called once: the caller keeps them.
    """
    compiler = os.environ.get('CC') or shutil.which('gcc') or shutil.which('clang')
    if os.environ.get('FCN_NATIVE') == '0' or compiler is None:
        return None
    try:
        return ctypes.CDLL(str(_compile(compiler, HERE / name)))
    except (OSError, subprocess.SubprocessError) as error:
        log.info('no %s of our own (%s); torch does its work', name, error)
        return None
