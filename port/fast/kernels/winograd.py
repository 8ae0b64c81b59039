"""Convolutions by winograd.c, which says how: 3 x 3 ones, and all others as matrix products."""

from functools import lru_cache
from math import prod

import torch
import torch.nn.functional as F

from netspec.window import Window
from port.fast.kernels.calls import Argument, constant, run, vector_width
from port.fast.kernels.planes import laid

SIDE = 4                    # of a tile of outputs
PRODUCTS = 49               # of a tile, for each pair of channels
KEPT_TILINGS = 256
CACHE = 3 << 18             # bytes that a thread works on at a time: most of a core's own cache
MOST_BLOCKS = 3             # of rows, that a thread works on at a time
Size = tuple[int, int]


def block() -> Size:
    """Return how many outputs and how many rows the kernels compute at a time in registers."""
    return constant('winograd.c', 'block_outputs'), constant('winograd.c', 'block_rows')


# -- 3 x 3 ----------------------------------------------------------------------------------------

def fits_winograd(weight: torch.Tensor, turned: bool = False) -> bool:
    """Whether the kernel takes a weight of outputs x channels x 3 x 3.

    turned: for the gradient of the inputs, which convolves with the kernels turned by half.
    """
    outputs, channels = weight.shape[:2] if not turned else weight.shape[1::-1]
    return (weight.shape[2:] == (3, 3) and channels % vector_width() == 0
            and outputs % block()[0] == 0)


def pack_winograd(weight: torch.Tensor, turned: bool = False) -> torch.Tensor:
    """Return the 49 matrices of a weight, in the kernel's order."""
    (outputs, channels), weight = weight.shape[:2], weight.contiguous()
    packed = torch.empty(PRODUCTS * outputs * channels)
    run('transform', (channels if turned else outputs) // block()[0], 1,
        dict(weight=weight, packed=packed, outputs=outputs, channels=channels, turned=turned))
    return packed


def _at_a_time(bytes_a_row: int, rows: int) -> int:
    """Return how many rows (tiles, outputs) a thread works on at a time: all that its core's cache
    holds, or, where one block is more than that, enough to make reading the weights worth it; and
    in turns of about the same length.
    """
    size = block()[1]
    most = CACHE // (bytes_a_row * size) or MOST_BLOCKS
    share = -(-rows // (torch.get_num_threads() * size))
    return size * max(1, -(-share // -(-share // most)))


@lru_cache(KEPT_TILINGS)
def _tiling(size: int, step: int) -> torch.Tensor:
    """Return the first output of each tile along an axis; a tile's 4 are `step` apart.

    Every step-th output reads every step-th input alone: with holes there are as many ordinary
    convolutions between one another, each with tiles of its own.
    """
    return torch.tensor([first for phase in range(min(step, size))
                         for first in range(phase, size, SIDE * step)], dtype=torch.int32)


def products(size: Size, step: int) -> int:
    """Return the products for a pair of channels and so many outputs, unused ones too."""
    return PRODUCTS * prod(len(_tiling(n, step)) for n in size)


def winograd(x: torch.Tensor, pad: Size, packed: torch.Tensor, bias: torch.Tensor | None,
             relu: bool, halved: bool, y: torch.Tensor, size: Size, step: int = 1) -> None:
    """Write the 3 x 3 convolution of x, of `size` outputs, to y.

    x: zero outside its memory; the first window begins `pad` rows and columns before it.
    relu: write the positive part. halved: write the maxima of 2 x 2 outputs in their place (not
    with holes). step: the dilation.
    """
    x = laid(x)
    (n, c, _, _), outputs = x.shape, y.shape[1]
    _same_size(packed, PRODUCTS * c * outputs, x, y)
    _takes(y, n, (-(-size[0] // 2), -(-size[1] // 2)) if halved else size)
    rows, columns = (_tiling(length, step) for length in size)
    tiles = n * len(rows) * len(columns)
    many = _at_a_time(4 * PRODUCTS * (c + outputs), tiles)
    members = dict(x=x, y=y, weight=packed, bias=bias, rows=rows, columns=columns, high=len(rows),
                   wide=len(columns), top=pad[0], left=pad[1], height=size[0], width=size[1],
                   step=step, relu=relu, halved=halved, many=many)
    run('winograd', tiles, many, members, room=PRODUCTS * many * (c + outputs))


# -- any window -----------------------------------------------------------------------------------

def pack_windows(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight as blocks of outputs x (rows, columns, channels, zeros) x a block."""
    flat = weight.permute(2, 3, 1, 0).flatten(0, 2)              # k k c x outputs
    depth, outputs = filled(*flat.shape)
    flat = F.pad(flat, (0, outputs - flat.shape[1], 0, depth - len(flat)))
    return flat.view(depth, -1, block()[0]).transpose(0, 1).contiguous()


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
    _same_size(packed, depth * wide, x, y)
    together = constant('winograd.c', 'outputs_together')
    many = _at_a_time(4 * (2 * depth + together), y[:, 0].numel())   # with the next rows, fetched
    members = _members(x, pad, bias, window, relu, y, plus) | dict(weight=packed, many=many)
    run('windows', y[:, 0].numel(), many, members, room=many * (depth + together))


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
    _takes(y, x.shape[0], (y.shape[2], y.shape[3]))
    sizes: dict[str, Argument] = {
        f'{name}_{axis}': numbers[place]
        for name, numbers in (('kernel', window.kernel), ('stride', window.stride),
                              ('step', window.dilation))
        for place, axis in enumerate('hw')}
    return sizes | dict(x=laid(x), y=y, plus=None if plus is None else laid(plus), bias=bias,
                        top=pad[0], left=pad[1], relu=relu)


def _same_size(packed: torch.Tensor, values: int, x: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse weights that were packed for other channels: the kernels would read beside them."""
    if packed.numel() != values:
        raise ValueError(f'the weights, packed into {packed.numel()} values, are not for '
                         f'{x.shape[1]} channels to {y.shape[1]}, which take {values}')


def _takes(y: torch.Tensor, batch: int, size: Size) -> None:
    """Refuse memory of another size than the outputs': the kernels would write beside it."""
    if (y.shape[0], *y.shape[2:]) != (batch, *size):
        raise ValueError(f'{batch} image(s) of {size[0]} x {size[1]} outputs do not go into memory '
                         f'for {y.shape[0]} of {y.shape[2]} x {y.shape[3]}')
