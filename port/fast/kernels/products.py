"""What the kernels have in common that compute convolutions as matrix products (products.h): blocks
of outputs, how much is done at a time, and checks of the memory that they are given.
"""

import torch

from port.fast.kernels.calls import constant

CACHE = 7 << 17             # bytes that a thread works on at a time: most of a core's own cache
UNEVEN = 1.1                # of the work, that one thread may have more than the others
MOST_BLOCKS = 3             # of rows, that a thread takes where the cache does not hold one
SHARE = 0.4                 # of the bytes of the weights read in a turn, that its rows may take
Size = tuple[int, int]


def block() -> Size:
    """Return how many outputs and how many rows the kernels compute at a time in registers."""
    return constant('winograd.c', 'block_outputs'), constant('winograd.c', 'block_rows')


def at_a_time(bytes_a_row: int, rows: int, weights: int = 0) -> int:
    """Return how many rows (tiles, outputs) a thread works on at a time: all that its core's cache
    holds, or more, where that makes reading the weights worth it; in turns of about the same
    length, of whole blocks, or of half ones where whole ones leave threads with nothing to do.

    weights: how many bytes of them each turn reads; 0 leaves them out of account.
    """
    threads, size = torch.get_num_threads(), block()[1]
    share = -(-rows // threads)
    step = size if in_steps(share, size) <= UNEVEN * share else size // 2
    most = max(CACHE, int(SHARE * weights)) // (bytes_a_row * step) or MOST_BLOCKS
    turns = -(-share // (step * most))
    return in_steps(-(-share // turns), step)


def in_steps(count: int, step: int) -> int:
    """Return a count rounded up to a multiple."""
    return -(-count // step) * step


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
