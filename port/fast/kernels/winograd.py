"""3 x 3 convolutions, and those of an image's few channels, by winograd.c, which says how."""

import ctypes
from functools import cache

import torch
import torch.nn.functional as F

from port.fast.kernels.calls import libraries, run, vector_width
from port.fast.kernels.planes import LAST, Plane, address, laid, plane

PRODUCTS = 49               # of a tile of 4 x 4 outputs, for each pair of channels
CACHE = 3 << 18             # bytes that a thread works on at a time: most of a core's own cache
MOST_BLOCKS = 16            # of rows, that a thread works on at a time
MOST_TERMS = 128            # of an output of few_channels
Size = tuple[int, int]


class WinogradArguments(ctypes.Structure):
    """Winograd in winograd.c."""

    _fields_ = [('x', Plane), ('y', Plane), ('weight', ctypes.c_void_p), ('bias', ctypes.c_void_p),
                *((name, ctypes.c_int) for name in ('top', 'left', 'height', 'width', 'relu',
                                                    'halved', 'many'))]


class FewArguments(ctypes.Structure):
    """FewChannels in winograd.c."""

    _fields_ = [('x', Plane), ('y', Plane), ('weight', ctypes.c_void_p), ('bias', ctypes.c_void_p),
                ('kernel', ctypes.c_int), ('relu', ctypes.c_int)]


class TransformArguments(ctypes.Structure):
    """Transform in winograd.c."""

    _fields_ = [('weight', ctypes.c_void_p), ('packed', ctypes.c_void_p),
                *((name, ctypes.c_int) for name in ('outputs', 'channels', 'turned'))]


@cache
def block() -> Size:
    """Return how many outputs and how many rows the kernels compute at a time in registers."""
    library = libraries()['winograd.c']
    return library.block_outputs(), library.block_rows()


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
    arguments = TransformArguments(weight=address(weight), packed=address(packed),
                                   outputs=outputs, channels=channels, turned=turned)
    run(libraries()['winograd.c'].transform, arguments,
        (channels if turned else outputs) // block()[0], 1)
    return packed


def _at_a_time(channels: int, outputs: int, tiles: int) -> int:
    """Return how many tiles a thread works on at a time: all that its core's cache holds, or,
    where the transformed weights are larger than that, enough to make their reading worth it.
    """
    rows = block()[1]
    fit = CACHE // (4 * PRODUCTS * (channels + outputs) * rows) or MOST_BLOCKS
    fair = -(-tiles // (torch.get_num_threads() * rows))
    return rows * max(1, min(fit, fair))


def winograd(x: torch.Tensor, pad: Size, packed: torch.Tensor, bias: torch.Tensor | None,
             relu: bool, halved: bool, y: torch.Tensor, size: Size) -> None:
    """Write the 3 x 3 convolution of x, of `size` outputs, to y.

    x: zero outside its memory; the first window begins `pad` rows and columns before it.
    relu: write the positive part. halved: write the maxima of 2 x 2 outputs in their place.
    """
    x = laid(x)
    (n, c, _, _), outputs = x.shape, y.shape[1]
    _same_size(packed, PRODUCTS * c * outputs, x, y)
    _takes(y, n, (-(-size[0] // 2), -(-size[1] // 2)) if halved else size)
    tiles = n * -(-size[0] // 4) * -(-size[1] // 4)
    many = _at_a_time(c, outputs, tiles)
    arguments = WinogradArguments(
        x=plane(x), y=plane(y), weight=address(packed), bias=address(bias), top=pad[0],
        left=pad[1], height=size[0], width=size[1], relu=relu, halved=halved, many=many)
    run(libraries()['winograd.c'].winograd, arguments, tiles, many,
        room=PRODUCTS * many * (c + outputs))


# -- few channels ---------------------------------------------------------------------------------

def fits_few(weight: torch.Tensor) -> bool:
    """Whether the kernel for an image's few channels takes a weight."""
    o, c, k, other = weight.shape
    return k == other and c * k * k <= MOST_TERMS and o % block()[0] == 0


def pack_few(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight as blocks of outputs x (rows, columns, channels, zeros) x a block."""
    flat = weight.permute(2, 3, 1, 0).flatten(0, 2)              # k k c x outputs
    depth = _depth(len(flat))
    flat = F.pad(flat, (0, 0, 0, depth - len(flat)))
    return flat.view(depth, -1, block()[0]).transpose(0, 1).contiguous()


def _depth(terms: int) -> int:
    """Return the terms of an output, filled up with zeros to whole vectors."""
    return -(-terms // vector_width()) * vector_width()


def few_channels(x: torch.Tensor, kernel: int, packed: torch.Tensor, bias: torch.Tensor | None,
                 relu: bool, y: torch.Tensor) -> None:
    """Write the convolution of x, which holds its padding, with a square kernel to y."""
    x = x.contiguous(memory_format=LAST)
    n, outputs, height, width = y.shape
    _takes(y, x.shape[0], (x.shape[2] - kernel + 1, x.shape[3] - kernel + 1))
    _same_size(packed, _depth(kernel * kernel * x.shape[1]) * outputs, x, y)
    arguments = FewArguments(x=plane(x), y=plane(y), weight=address(packed), bias=address(bias),
                             kernel=kernel, relu=relu)
    run(libraries()['winograd.c'].few_channels, arguments, n * height, 4,
        room=block()[1] * (packed.shape[1] + outputs))


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
