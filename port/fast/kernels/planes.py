"""Torch's tensors as the kernels see them: images whose channels are next to each other."""

import ctypes

import torch

from port.native.jobs import not_by_jobs

LAST = torch.channels_last


def last(x: torch.Tensor) -> torch.Tensor:
    """Return a tensor with its channels last in memory: itself where they are."""
    return x.contiguous(memory_format=LAST)


class Plane(ctypes.Structure):
    """A batch of images; the same members stand in plane.h."""

    _fields_ = [('data', ctypes.c_void_p), ('row', ctypes.c_ssize_t), ('image', ctypes.c_ssize_t),
                ('height', ctypes.c_int), ('width', ctypes.c_int), ('channels', ctypes.c_int)]


def plane(x: torch.Tensor | None) -> Plane:
    """Lay a plane over a float32 tensor N x C x H x W whose channels are next to each other; one
    without data over none.
    """
    if x is None:
        return Plane()
    n, c, h, w = x.shape
    if not _fits(x) or x.dtype != torch.float32:
        raise ValueError(f'expected float32 with channels last, got {x.dtype}, strides '
                         f'{x.stride()} for shape {tuple(x.shape)}')
    return Plane(x.data_ptr(), x.stride(2), x.stride(0), h, w, c)


def laid(x: torch.Tensor) -> torch.Tensor:
    """Return a tensor as the kernels read it: itself where it is so, as a rectangle cut out of an
    image is; else a float32 copy with its channels last.
    """
    if _fits(x) and x.dtype == torch.float32:
        return x
    not_by_jobs()
    return x.float().contiguous(memory_format=LAST)


def _fits(x: torch.Tensor) -> bool:
    _, c, _, w = x.shape
    return (c == 1 or x.stride(1) == 1) and (w == 1 or x.stride(3) == c)


def address(x: torch.Tensor | None) -> int | None:
    """Return where a tensor's values begin; None, a null pointer, for none."""
    return None if x is None else x.data_ptr()
