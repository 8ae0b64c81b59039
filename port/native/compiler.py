"""C kernels: compiled by the machine's own compiler at first use, and kept in the user's cache.

Where there is no compiler, or FCN_NATIVE=0, nothing breaks: the caller has another way.
"""

import ctypes
import hashlib
import logging
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

log = logging.getLogger('port.native')
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
    headers = ''.join(p.read_text() for p in sorted(source.parent.glob('*.h')))
    text = source.read_text() + headers + compiler + _machine()
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


def compiled(source: Path) -> ctypes.CDLL | None:
    """Return the kernels of a C file, which may include headers beside it; None where they cannot
    be had. To be called once: the caller keeps them. FileNotFoundError where the C file is not.
    """
    if not source.is_file():
        raise FileNotFoundError(f'{source}: no such source of kernels')
    compiler = os.environ.get('CC') or shutil.which('gcc') or shutil.which('clang')
    if os.environ.get('FCN_NATIVE') == '0' or compiler is None:
        return None
    try:
        return ctypes.CDLL(str(_compile(compiler, source)))
    except (OSError, subprocess.SubprocessError) as error:
        log.info('no %s of our own (%s); what is slower does its work', source.name, error)
        return None
