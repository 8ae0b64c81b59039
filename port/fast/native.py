"""3 x 3 convolutions, an image's first convolution, and updates by our C kernels (kernels.c)."""

import ctypes
from functools import cache
from pathlib import Path

import torch
from torch.autograd.graph import increment_version

from port.native.library import load
from port.native.threads import share

HERE = Path(__file__).parent
WINOGRAD = 49               # products a tile
BUDGET = 3 << 18            # bytes of a thread's working set: most of a core's own cache
GRAIN = 1 << 16             # values that a thread updates at a time
MOST_TERMS = 128            # terms of an output of few_channels
MOST_BLOCKS = 16            # blocks of rows a thread works on at a time


class Plane(ctypes.Structure):
    """A batch of images, channels last, as the kernels see it."""

    _fields_ = [('data', ctypes.c_void_p), ('row', ctypes.c_ssize_t), ('image', ctypes.c_ssize_t),
                ('height', ctypes.c_int), ('width', ctypes.c_int), ('channels', ctypes.c_int)]


def plane(x: torch.Tensor) -> Plane:
    """Lay a plane over a float32 tensor N x C x H x W whose channels are next to each other."""
    n, c, h, w = x.shape
    if c > 1 and x.stride(1) != 1 or w > 1 and x.stride(3) != c or x.dtype != torch.float32:
        raise ValueError(f'expected float32 with channels last, got {x.dtype}, strides '
                         f'{x.stride()} for shape {tuple(x.shape)}')
    return Plane(x.data_ptr(), x.stride(2), x.stride(0), h, w, c)


def laid(x: torch.Tensor) -> torch.Tensor:
    """Return a float32 tensor as the kernels read it: itself if its channels are next to each
    other, parts of an image included, else a copy.
    """
    x, (_, c, _, w) = x.float(), x.shape
    fits = (c == 1 or x.stride(1) == 1) and (w == 1 or x.stride(3) == c)
    return x if fits else x.contiguous(memory_format=torch.channels_last)


@cache
def library() -> ctypes.CDLL | None:
    """Return the compiled kernels, None where they cannot be had."""
    found = load(HERE / 'kernels.c')
    if found is None:
        return None
    p, i, s = ctypes.c_void_p, ctypes.c_int, ctypes.c_ssize_t
    found.winograd.argtypes = [p, i, i, p, p, i, i, p, i, i, s, s, i, p]
    found.few_channels.argtypes = [p, i, p, p, i, p, i, s, s, i, p]
    found.transform.argtypes = [p, i, i, i, p, i, i]
    found.descend.argtypes = [p, p, p, *[ctypes.c_float] * 3, s, s]
    for kernel in (found.winograd, found.few_channels, found.transform, found.descend):
        kernel.restype = None
    return found


@cache
def lanes() -> tuple[int, int]:
    """Return how many outputs and how many rows a block of the kernels has."""
    return library().kernel_lanes(), library().kernel_rows()


# -- 3 x 3 ----------------------------------------------------------------------------------------

def fits_winograd(weight: torch.Tensor, turned: bool = False) -> bool:
    """Whether the kernel takes a weight of outputs x channels x 3 x 3.

    turned: for the gradient of the inputs, which convolves with the kernels turned by half.
    """
    nr, _ = lanes()
    outputs, channels = weight.shape[:2] if not turned else weight.shape[1::-1]
    return weight.shape[2:] == (3, 3) and channels % (nr // 2) == 0 and outputs % nr == 0


def pack_winograd(weight: torch.Tensor, turned: bool = False) -> torch.Tensor:
    """Return the 49 matrices of a weight, in the kernel's order."""
    lib, (nr, _), (o, c) = library(), lanes(), weight.shape[:2]
    weight = weight.contiguous()
    packed = torch.empty(WINOGRAD * o * c)
    share(lambda first, last: lib.transform(weight.data_ptr(), o, c, turned, packed.data_ptr(),
                                            first, last), (c if turned else o) // nr, 1)
    return packed


def _many(channels: int, outputs: int, tiles: int) -> int:
    """Return how many tiles to work on at a time: all that a core's cache holds, or, where the
    transformed weights are larger than that, enough to make their reading worth it.
    """
    _, rows = lanes()
    fit = BUDGET // (4 * WINOGRAD * (channels + outputs) * rows)
    if fit < 1:
        fit = MOST_BLOCKS
    share_of = -(-tiles // (torch.get_num_threads() * rows))
    return rows * max(1, min(fit, share_of))


def winograd(x: torch.Tensor, pad: tuple[int, int], packed: torch.Tensor,
             bias: torch.Tensor | None, relu: bool, pool: bool, y: torch.Tensor,
             size: tuple[int, int]) -> None:
    """Write the 3 x 3 convolution of x (zero outside, shifted by pad) to y; `size` outputs.

    pool: y takes the maxima of 2 x 2 outputs.
    """
    x = laid(x)
    lib, into, out = library(), plane(x), plane(y)
    _same_size(packed, WINOGRAD * x.shape[1] * y.shape[1], x, y)
    _takes(y, x.shape[0], tuple(-(-n // 2) for n in size) if pool else size)
    tiles = x.shape[0] * -(-size[0] // 4) * -(-size[1] // 4)
    many = _many(x.shape[1], y.shape[1], tiles)
    room = WINOGRAD * many * (x.shape[1] + y.shape[1])

    def work(first: int, last: int) -> None:
        space = torch.empty(room)
        lib.winograd(ctypes.byref(into), *pad, packed.data_ptr(),
                     None if bias is None else bias.data_ptr(), relu, pool, ctypes.byref(out),
                     *size, first, last, many, space.data_ptr())

    share(work, tiles, many)


# -- few channels ---------------------------------------------------------------------------------

def fits_few(weight: torch.Tensor) -> bool:
    """Whether the kernel for an image's few channels takes a weight."""
    o, c, k, other = weight.shape
    return k == other and c * k * k <= MOST_TERMS and o % lanes()[0] == 0


def pack_few(weight: torch.Tensor) -> torch.Tensor:
    """Return a weight as outputs / lanes x (rows, columns, channels, zeros) x lanes."""
    nr, _ = lanes()
    flat = weight.permute(2, 3, 1, 0).flatten(0, 2)              # k k c x outputs
    depth = _depth(len(flat))
    flat = torch.nn.functional.pad(flat, (0, 0, 0, depth - len(flat)))
    return flat.view(depth, -1, nr).transpose(0, 1).contiguous()


def _depth(terms: int) -> int:
    """Return the terms of an output, filled up to a multiple of half a block."""
    half = lanes()[0] // 2
    return -(-terms // half) * half


def few_channels(x: torch.Tensor, k: int, packed: torch.Tensor, bias: torch.Tensor | None,
                 relu: bool, y: torch.Tensor) -> None:
    """Write the k x k convolution of x, which holds the padding, to y."""
    _takes(y, x.shape[0], (x.shape[2] - k + 1, x.shape[3] - k + 1))
    lib, into, out = library(), plane(x), plane(y)
    n, o, h, w = y.shape
    _same_size(packed, _depth(k * k * x.shape[1]) * o, x, y)
    room = lanes()[1] * (packed.shape[1] + o)

    def work(first: int, last: int) -> None:
        space = torch.empty(room)
        lib.few_channels(ctypes.byref(into), k, packed.data_ptr(),
                         None if bias is None else bias.data_ptr(), relu, ctypes.byref(out),
                         w, first, last, h, space.data_ptr())

    share(work, n * h, 4)


def _same_size(packed: torch.Tensor, values: int, x: torch.Tensor, y: torch.Tensor) -> None:
    """Refuse weights that were packed for other channels: the kernels would read beside them."""
    if packed.numel() != values:
        raise ValueError(f'the weights, packed into {packed.numel()} values, are not for '
                         f'{x.shape[1]} channels to {y.shape[1]}, which take {values}')


def _takes(y: torch.Tensor, batch: int, size: tuple[int, int]) -> None:
    """Refuse memory of another size than the outputs': the kernels would write beside it."""
    if (y.shape[0], *y.shape[2:]) != (batch, *size):
        raise ValueError(f'{batch} image(s) of {size[0]} x {size[1]} outputs do not go into memory '
                         f'for {y.shape[0]} of {y.shape[2]} x {y.shape[3]}')


# -- updating -------------------------------------------------------------------------------------

def descend(weight: torch.Tensor, velocity: torch.Tensor, gradient: torch.Tensor,
            momentum: float, rate: float, decay: float) -> None:
    """v = momentum v + rate (g + decay w); w = w - v."""
    lib = library()
    increment_version((weight, velocity))    # torch does not see what the kernel writes
    share(lambda first, last: lib.descend(
        weight.data_ptr(), velocity.data_ptr(), gradient.data_ptr(), momentum, rate, decay, first,
        last), weight.numel(), GRAIN)
