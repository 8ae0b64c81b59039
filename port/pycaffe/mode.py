"""Caffe's global settings: where to compute, the seed, the log (src/caffe/common.cpp)."""

import logging
import os
import time
from dataclasses import dataclass

import torch

from port.training import glog


@dataclass
class _State:
    """What is set for the whole process."""

    device: torch.device = torch.device('cpu')
    index: int = 0
    count: int = 1
    rank: int = 0
    cpu_only: bool = False
    log: logging.Handler | None = None


_state = _State()
LEVELS = (logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
log_to = logging.getLogger('port.pycaffe')


def device() -> torch.device:
    """Return the device on which nets compute now."""
    return _state.device


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    _state.device = torch.device('cpu')


def set_mode_gpu() -> None:
    """Compute on the GPU that set_device chose; RuntimeError where there is none."""
    if _state.cpu_only:
        log_to.warning('set_mode_gpu: computing on the CPU, as asked for')
        return
    if not torch.cuda.is_available():
        raise RuntimeError('set_mode_gpu: cannot use the GPU: there is no CUDA device here; use '
                           'set_mode_cpu(), or run the script with `fcn run --cpu`')
    count = torch.cuda.device_count()
    if not 0 <= _state.index < count:
        raise RuntimeError(f'set_device({_state.index}): invalid device ordinal; GPUs 0 to '
                           f'{count - 1} are here')
    _state.device = torch.device('cuda', _state.index)


def cpu_only(on: bool = True) -> None:
    """Let set_mode_gpu stay on the CPU, for scripts that ask for a GPU in so many words."""
    _state.cpu_only = on
    if on:
        set_mode_cpu()


def set_device(index: int) -> None:
    """Choose the GPU, by number, that set_mode_gpu uses."""
    _state.index = int(index)
    if _state.device.type == 'cuda':
        set_mode_gpu()


def set_random_seed(seed: int) -> None:
    """Seed fillers, dropout and every other random number."""
    torch.manual_seed(int(seed))


def solver_count() -> int:
    """Return the number of solvers that work together (1 unless it was set)."""
    return _state.count


def set_solver_count(count: int) -> None:
    """Set the number of solvers that work together."""
    _state.count = int(count)


def solver_rank() -> int:
    """Return this process's number among the solvers."""
    return _state.rank


def set_solver_rank(rank: int) -> None:
    """Set this process's number among the solvers."""
    _state.rank = int(rank)


def set_multiprocess(on: bool) -> None:
    """Accept Caffe's switch; processes are not shared here."""


def has_nccl() -> bool:
    """Whether several GPUs can be trained on together."""
    return False


class NCCL:
    """pycaffe's NCCL, as in a Caffe that was built without it."""

    def __init__(self, solver: object, uid: object) -> None:
        raise RuntimeError('Multi-GPU execution not available: has_nccl() is False')


class Timer:
    """Caffe's stopwatch: start, stop, ms; it waits for the GPU."""

    def __init__(self) -> None:
        self._began = self._ended = 0.0

    @staticmethod
    def _now() -> float:
        if _state.device.type == 'cuda':
            torch.cuda.synchronize(_state.device)
        return time.perf_counter()

    def start(self) -> None:
        """Begin to measure."""
        self._began = self._ended = self._now()

    def stop(self) -> None:
        """End the measurement."""
        self._ended = self._now()

    @property
    def ms(self) -> float:
        """Milliseconds from start to stop."""
        return 1000 * (self._ended - self._began)


def init_log(level: int | None = None, stderr: bool = True) -> None:
    """Show Caffe's log on stderr, from `level` up: 0 info, 1 warnings, 2 errors, 3 nothing less.

    Without a level GLOG_minloglevel is asked, as glog does.
    """
    root = logging.getLogger('port')
    if _state.log is None or _state.log not in root.handlers:
        _state.log = glog.to_stderr()
    if level is None:
        level = int(os.environ.get('GLOG_minloglevel') or 0)
    root.setLevel(LEVELS[min(max(level, 0), 3)])


def end_log() -> None:
    """End what init_log began."""
    if _state.log is not None:
        glog.stop(_state.log)
        logging.getLogger('port').setLevel(logging.NOTSET)
        _state.log = None


def log(message: str) -> None:
    """Write a line to Caffe's log."""
    log_to.info('%s', message)
