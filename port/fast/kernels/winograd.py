"""3 x 3 convolutions by Winograd's transforms: winograd.c says how."""

from collections.abc import Sequence
from functools import lru_cache
from math import prod

import torch

from port.fast.kernels.calls import Argument, constant, run, vector_width
from port.fast.kernels.planes import laid
from port.fast.kernels.products import Size, at_a_time, block, check_packed, check_room, in_steps
from port.native.kept_memory import empty
from port.native.large_pages import in_large_pages

SIDE, DOWN = 4, 6           # of a tile of outputs; products along rows
LEARNING_PRODUCTS = 42      # of a tile, for the gradient of the weights
FEW_CHANNELS = 128          # up to which a product more is taken along columns, for its precision
KEPT_TILINGS = 256
# Tiles whose gradients are computed together: bytes of their values, and no fewer than so many.
TOGETHER, LEAST_TOGETHER = 16 << 20, 64


def fits_winograd(weight: torch.Tensor, turned: bool = False) -> bool:
    """Whether the kernel takes a weight of outputs x channels x 3 x 3.

    turned: for the gradient of the inputs, which convolves with the kernels turned by half.
    """
    outputs, channels = weight.shape[:2] if not turned else weight.shape[1::-1]
    return (weight.shape[2:] == (3, 3) and channels % vector_width() == 0
            and outputs % block()[0] == 0)


def _across(channels: int) -> int:
    """Return how many products a tile of so many channels takes along columns."""
    return 7 if channels <= FEW_CHANNELS else 6


def products(channels: int) -> int:
    """Return how many products a tile takes for each pair of channels."""
    return DOWN * _across(channels)


def _packed_values(channels: int, outputs: int) -> int:
    """Return how many values a packed weight has."""
    return products(channels) * (channels * outputs + constant('winograd.c', 'floats_apart'))


def pack_winograd(weight: torch.Tensor, turned: bool = False) -> torch.Tensor:
    """Return the matrices of a weight, one for each product of a tile, in the kernel's order."""
    (outputs, channels), weight = weight.shape[:2], weight.contiguous()
    outs, ins = (channels, outputs) if turned else (outputs, channels)
    packed = in_large_pages(empty(_packed_values(ins, outs)))
    run('transform', outs // block()[0], 1,
        dict(weight=weight, packed=packed, outputs=outputs, channels=channels, turned=turned,
             across=_across(ins)))
    return packed


@lru_cache(KEPT_TILINGS)
def _tiling(size: int, step: int) -> torch.Tensor:
    """Return the first output of each tile along an axis; a tile's 4 are `step` apart.

    Every step-th output reads every step-th input alone: with holes there are as many ordinary
    convolutions between one another, each with tiles of its own.
    """
    return torch.tensor([first for phase in range(min(step, size))
                         for first in range(phase, size, SIDE * step)], dtype=torch.int32)


def tiles(shape: Sequence[int], step: int) -> int:
    """Return how many tiles the outputs of a batch, N x C x H x W, are made of."""
    n, _, *sizes = shape
    return n * prod(len(_tiling(length, step)) for length in sizes)


def winograd(x: torch.Tensor, pad: Size, packed: torch.Tensor, bias: torch.Tensor | None,
             relu: bool, halved: bool, y: torch.Tensor, size: Size, step: int = 1) -> None:
    """Write the 3 x 3 convolution of x, of `size` outputs, to y.

    x: zero outside its memory; the first window begins `pad` rows and columns before it.
    relu: write the positive part. halved: write the maxima of 2 x 2 outputs in their place (not
    with holes). step: the dilation.
    """
    x = laid(x)
    (n, c, _, _), outputs = x.shape, y.shape[1]
    points = products(c)
    check_packed(packed, _packed_values(c, outputs), x, y)
    check_room(y, n, (-(-size[0] // 2), -(-size[1] // 2)) if halved else size)
    rows, columns = (_tiling(length, step) for length in size)
    count = n * len(rows) * len(columns)
    many = at_a_time(4 * points * (c + outputs), count, 4 * packed.numel())
    filled = in_steps(many, block()[1])
    room = points * (filled * (c + outputs) + 2 * constant('winograd.c', 'floats_apart'))
    members = dict(x=x, y=y, weight=packed, bias=bias, rows=rows, columns=columns, high=len(rows),
                   wide=len(columns), top=pad[0], left=pad[1], height=size[0], width=size[1],
                   step=step, relu=relu, halved=halved, many=many, across=_across(c))
    run('winograd', count, many, members, room=room)


def weight_gradient(dy: torch.Tensor, x: torch.Tensor, pad: Size, step: int = 1) -> torch.Tensor:
    """Return the gradient of the weights, outputs x channels x 3 x 3, from that of the outputs.

    x, pad, step: as for `winograd`.
    """
    dy, x = laid(dy), laid(x)
    (n, outputs, *size), channels = dy.shape, x.shape[1]
    rows, columns = (_tiling(length, step) for length in size)
    count, apart = n * len(rows) * len(columns), constant('winograd.c', 'floats_apart')
    most = max(LEAST_TOGETHER, TOGETHER // (4 * LEARNING_PRODUCTS * (channels + outputs)))
    many = -(-count // -(-count // most))
    sums = empty(LEARNING_PRODUCTS * channels * outputs).zero_()
    weight = empty(outputs, channels, 3, 3)
    members: dict[str, Argument] = dict(
        x=x, dy=dy, rows=rows, columns=columns, high=len(rows), wide=len(columns), top=pad[0],
        left=pad[1], step=step, many=many, products=sums, weight=weight,
        v=empty(LEARNING_PRODUCTS * (many * channels + apart)),
        w=empty(LEARNING_PRODUCTS * (many * outputs + apart)))
    for start in range(0, count, many):
        part = min(many, count - start)
        now = members | {'start': start, 'count': part}
        run('spread_tiles', part, 1, now)
        run('add_products', LEARNING_PRODUCTS * outputs // block()[0], 1, now)
    run('gather_weights', outputs // block()[0], 1, members)
    return weight
