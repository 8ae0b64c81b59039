"""Caffe's global settings: where to compute, the seed, the log (src/caffe/common.cpp)."""

import logging
import sys

import torch

_state = {'device': torch.device('cpu'), 'index': 0, 'count': 1, 'rank': 0}


def device() -> torch.device:
    """Return the device on which nets made from now on compute."""
    return _state['device']


def set_mode_cpu() -> None:
    """Compute on the CPU."""
    _state['device'] = torch.device('cpu')


def set_mode_gpu() -> None:
    """Compute on the GPU that set_device chose; RuntimeError where there is none."""
    if not torch.cuda.is_available():
        raise RuntimeError('set_mode_gpu: there is no CUDA device here; use set_mode_cpu()')
    _state['device'] = torch.device('cuda', _state['index'])


def set_device(index: int) -> None:
    """Choose the GPU, by number, that set_mode_gpu uses."""
    _state['index'] = int(index)
    if _state['device'].type == 'cuda':
        _state['device'] = torch.device('cuda', int(index))


def set_random_seed(seed: int) -> None:
    """Seed fillers, dropout and every other random number."""
    torch.manual_seed(int(seed))


def solver_count() -> int:
    """Return the number of solvers that work together (1 unless it was set)."""
    return _state['count']


def set_solver_count(count: int) -> None:
    """Set the number of solvers that work together."""
    _state['count'] = int(count)


def solver_rank() -> int:
    """Return this process's number among the solvers."""
    return _state['rank']


def set_solver_rank(rank: int) -> None:
    """Set this process's number among the solvers."""
    _state['rank'] = int(rank)


def set_multiprocess(on: bool) -> None:
    """Accept Caffe's switch; processes are not shared here."""


def has_nccl() -> bool:
    """Whether several GPUs can be trained on together."""
    return False


def init_log(level: int = 0, file: bool = False) -> None:
    """Show Caffe's log on stderr (0 info, 1 warnings, 2 errors)."""
    root = logging.getLogger('port')
    if not root.handlers:
        root.addHandler(logging.StreamHandler(sys.stderr))
    root.setLevel({0: logging.INFO, 1: logging.WARNING}.get(level, logging.ERROR))


def log(message: str) -> None:
    """Write a line to Caffe's log."""
    logging.getLogger('port').info(message)
