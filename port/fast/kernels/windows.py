"""Convolutions with any window as one matrix product (windows.c)."""

from functools import lru_cache
from math import prod

import torch
import torch.nn.functional as F

from netspec.window import Window
from port.fast.kernels.calls import Argument, constant, run, vector_width
from port.fast.kernels.planes import laid
from port.fast.kernels.products import Size, at_a_time, block, check_packed, check_room, in_steps
from port.native.large_pages import in_large_pages

KEPT_ORDERS = 64
Places = tuple[bool, ...]    # of a window along an axis: whether each lies within the image


def pack_windows(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight as blocks of outputs x (rows, columns, channels, zeros) x a block."""
    flat = weight.permute(2, 3, 1, 0).flatten(0, 2)              # k k c x outputs
    depth, outputs = filled(*flat.shape)
    flat = F.pad(flat, (0, outputs - flat.shape[1], 0, depth - len(flat)))
    blocks = flat.view(depth, -1, block()[0]).transpose(0, 1)
    return in_large_pages(torch.empty(blocks.shape)).copy_(blocks)


def filled(terms: int, outputs: int) -> Size:
    """Return the terms of an output, filled up with zeros to whole vectors, and the outputs,
    filled up to whole blocks.
    """
    lane, wide = vector_width(), block()[0]
    return -(-terms // lane) * lane, -(-outputs // wide) * wide


def windows(x: torch.Tensor, pad: Size, packed: torch.Tensor, bias: torch.Tensor | None,
            window: Window, relu: bool, y: torch.Tensor, plus: torch.Tensor | None = None) -> None:
    """Write a convolution of x to y, whose size says how many outputs there are.

    x: zero outside its memory; the first window begins `pad` rows and columns before it.
    plus: is added to the outputs. relu: write the positive part.
    """
    depth, wide = filled(prod(window.kernel) * x.shape[1], y.shape[1])
    check_packed(packed, depth * wide, x, y)
    together = constant('windows.c', 'outputs_together')
    order, terms, sizes = None, depth, (_size(x), _size(y), pad, window)
    if window.dilation != (1, 1):
        order, terms = _in_groups(*sizes), x.shape[1] * count_read(*sizes) // prod(_size(y))
    many = at_a_time(4 * (2 * terms + together), y[:, 0].numel())   # with the next rows, fetched
    members = _members(x, pad, bias, window, relu, y, plus) | dict(
        weight=packed, many=many, order=order)
    rows = block()[1]
    room = in_steps(many, rows) * (depth + together + 2) + rows * (depth + vector_width())
    run('windows', y[:, 0].numel(), many, members, room=room)


@lru_cache(KEPT_ORDERS)
def _in_groups(image: Size, outputs: Size, pad: Size, window: Window) -> torch.Tensor:
    """Return the numbers of an image's outputs such that those follow each other whose windows read
    the same of their places: the kernel leaves out the others, which with wide holes are most.
    """
    down, across = (_alike(read) for read in _read(image, outputs, pad, window))
    return (down[:, None] * len(across) + across).flatten().argsort(stable=True).int()


def _alike(read: list[Places]) -> torch.Tensor:
    """Return the same number for outputs that read the same places."""
    kinds = {places: number for number, places in enumerate(dict.fromkeys(read))}
    return torch.tensor([kinds[places] for places in read])


def _read(image: Size, outputs: Size, pad: Size, window: Window) -> list[list[Places]]:
    """Return along each axis for each output which places of its window lie within the image."""
    return [[tuple(0 <= o * stride - before + k * step < length for k in range(kernel))
             for o in range(count)]
            for length, count, before, kernel, stride, step in zip(
                image, outputs, pad, window.kernel, window.stride, window.dilation, strict=True)]


@lru_cache(KEPT_ORDERS)
def count_read(image: Size, outputs: Size, pad: Size, window: Window) -> int:
    """Return how many places within an image all its windows together read."""
    return prod(sum(map(sum, axis)) for axis in _read(image, outputs, pad, window))


def places(parts: torch.Tensor, pad: Size, bias: torch.Tensor | None, window: Window, relu: bool,
           y: torch.Tensor, plus: torch.Tensor | None = None) -> None:
    """Write a convolution to y, given what each place of the window gives of each pixel.

    parts: N x (rows columns outputs) x H x W, of x as for `windows`.
    """
    if parts.shape[1] != prod(window.kernel) * y.shape[1]:
        raise ValueError(f'{parts.shape[1]} channels are not those of {prod(window.kernel)} '
                         f'places for {y.shape[1]} outputs')
    run('places', y[:, 0].numel(), y.shape[3], _members(parts, pad, bias, window, relu, y, plus),
        room=y.shape[1])


def _members(x: torch.Tensor, pad: Size, bias: torch.Tensor | None, window: Window, relu: bool,
             y: torch.Tensor, plus: torch.Tensor | None) -> dict[str, Argument]:
    """Return what the kernels over windows are called with, but for the weights."""
    if plus is not None and plus.shape != y.shape:
        raise ValueError(f'{tuple(plus.shape)} cannot be added to outputs {tuple(y.shape)}')
    check_room(y, x.shape[0], (y.shape[2], y.shape[3]))
    sizes: dict[str, Argument] = {
        f'{name}_{axis}': numbers[place]
        for name, numbers in (('kernel', window.kernel), ('stride', window.stride),
                              ('step', window.dilation))
        for place, axis in enumerate('hw')}
    return sizes | dict(x=laid(x), y=y, plus=None if plus is None else laid(plus), bias=bias,
                        top=pad[0], left=pad[1], relu=relu)


def _size(blob: torch.Tensor) -> Size:
    """Return the rows and columns of a blob."""
    return blob.shape[2], blob.shape[3]
