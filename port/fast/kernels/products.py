"""What the kernels have in common that compute convolutions as matrix products (products.h): blocks
of outputs, how much is done at a time, and checks of the memory that they are given.
"""

import torch

from port.fast.kernels.calls import constant

CACHE = 3 << 18             # bytes that a thread works on at a time: most of a core's own cache
MOST_BLOCKS = 3             # of rows, that a thread works on at a time
Size = tuple[int, int]


def block() -> Size:
    """Return how many outputs and how many rows the kernels compute at a time in registers."""
    return constant('winograd.c', 'block_outputs'), constant('winograd.c', 'block_rows')


def at_a_time(bytes_a_row: int, rows: int) -> int:
    """Return how many rows (tiles, outputs) a thread works on at a time: all that its core's cache
    holds, or, where one block is more than that, enough to make reading the weights worth it; and
    in turns of about the same length.
    """
    size = block()[1]
    most = CACHE // (bytes_a_row * size) or MOST_BLOCKS
    share = -(-rows // (torch.get_num_threads() * size))
    return size * max(1, -(-share // -(-share // most)))


def check_packed(packed: torch.Tensor, values: int, x: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse weights that were packed for other channels: the kernels would read beside them."""
    if packed.numel() != values:
        raise ValueError(f'the weights, packed into {packed.numel()} values, are not for '
                         f'{x.shape[1]} channels to {y.shape[1]}, which take {values}')


def check_room(y: torch.Tensor, batch: int, size: Size) -> None:
    """Refuse memory of another size than the outputs': the kernels would write beside it."""
    if (y.shape[0], *y.shape[2:]) != (batch, *size):
        raise ValueError(f'{batch} image(s) of {size[0]} x {size[1]} outputs do not go into memory '
                         f'for {y.shape[0]} of {y.shape[2]} x {y.shape[3]}')
