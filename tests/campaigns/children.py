"""Children of a process that has the whole project loaded already, so that each begins at once."""

import gc
import importlib
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ('netspec', 'surgery', 'port')
LIBRARIES = ('h5py', 'click.testing', 'scipy.io', 'matplotlib.figure', 'PIL.PngImagePlugin',
             'PIL.JpegImagePlugin', 'PIL.TiffImagePlugin', 'PIL.WebPImagePlugin')


def load(*packages: str) -> None:
    """Import every module of packages, all of the project if none is named, and let torch compute
    in one thread, as forks must.
    """
    sys.path.insert(0, str(ROOT))
    import torch
    torch.set_num_threads(1)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for package in packages or PACKAGES:
            folder = ROOT / package.replace('.', '/')
            for module in pkgutil.walk_packages([str(folder)], f'{package}.'):
                if not module.name.endswith('__main__'):
                    importlib.import_module(module.name)
        for name in () if packages else LIBRARIES:
            importlib.import_module(name)
    gc.collect()
    gc.freeze()                     # what is loaded is not written to by each child's collector


def fork(work: Callable[[], object], cwd: Path) -> int:
    """Begin work in a child whose words go into a file beside its folder; return its number."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.chdir(cwd)
        null = os.open(os.devnull, os.O_RDWR)
        for handle in (0, 1):
            os.dup2(null, handle)
        os.dup2(os.open(said(cwd), os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
        work()
        os._exit(0)
    except SystemExit as stop:
        os._exit(stop.code if isinstance(stop.code, int) else bool(stop.code))
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
    os._exit(99)


def fast_disk() -> str | None:
    """Return a folder in memory, where fsync takes no time; None where there is none."""
    return '/dev/shm' if os.access('/dev/shm', os.W_OK) else None


def said(cwd: Path) -> Path:
    """Return the file of what the last child of a folder said on stderr."""
    return cwd.parent / f'{cwd.name}.stderr'


def ended(pid: int) -> int:
    """Wait for a child; return its exit status, negative for a signal."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
