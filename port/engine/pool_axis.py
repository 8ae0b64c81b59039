"""One axis of a pooling (Caffe's pooling_layer.cpp): where windows end, divisors, their inputs.

Maxima and sums are computed one axis at a time. The k-th elements of all windows are a slice of the
input, so that a window of n takes n operations on whole slices: on a CPU several times faster than
a loop over windows.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch

LOWEST = torch.finfo(torch.float32).min  # Caffe's -FLT_MAX, also in double precision
Piece = tuple[slice, slice]


@dataclass(frozen=True)
class Axis:
    """Windows of `kernel` every `stride` over `size` inputs with `pad` before and after.

    dim is -2 for rows, -1 for columns. Windows are cut at the ends of the input. The places of a
    window lie `dilation` inputs apart.
    """

    dim: int
    size: int
    kernel: int
    stride: int
    pad: int
    out: int
    dilation: int = 1

    @cached_property
    def pieces(self) -> list[Piece]:
        """For each place of a window in order: the outputs whose windows have an input there, and
        those inputs.

        Output o has place j where 0 <= o stride - pad + j < size, j a multiple of the dilation;
        places outside the input are left out.
        """
        found = []
        beyond = max(0, self.pad - (self.out - 1) * self.stride)    # a kernel may be of 2 10^9
        first = -(-beyond // self.dilation) * self.dilation
        for j in range(first, min(self.extent, self.size + self.pad), self.dilation):
            low = max(0, -(-(self.pad - j) // self.stride))
            high = min(self.out, (self.size - 1 + self.pad - j) // self.stride + 1)
            if low < high:
                start = low * self.stride - self.pad + j
                found.append((slice(low, high), slice(start, start + (high - low - 1)
                                                      * self.stride + 1, self.stride)))
        return found

    @property
    def extent(self) -> int:
        """How far a window reaches."""
        return (self.kernel - 1) * self.dilation + 1

    def cut(self, tensor: torch.Tensor, part: slice) -> torch.Tensor:
        """Return the part of a tensor along this axis, as a view."""
        return tensor[..., part] if self.dim == -1 else tensor[..., part, :]

    def divisor(self, like: torch.Tensor) -> torch.Tensor | int:
        """Return by how much AVE divides each output: the places within the padded input.

        One number where it is the same for all. A window that begins past the input (only
        without padding) gives 0 or less, as in Caffe.
        """
        if (not like.numel()      # nothing to divide, so no count for each window
                or (self.out - 1) * self.stride + self.extent <= self.size + 2 * self.pad):
            return self.kernel
        starts = torch.arange(self.out, dtype=like.dtype, device=like.device)
        starts.mul_(self.stride).sub_(self.pad)
        sizes = (starts + self.extent).clamp_(max=self.size + self.pad).sub_(starts)
        if self.dilation > 1:
            sizes.div_(self.dilation).ceil_()
        return sizes if self.dim == -1 else sizes[:, None]


def _reduce(x: torch.Tensor, axis: Axis, op: Callable, start: float) -> torch.Tensor:
    """Combine the pieces of an axis with `op`; `start` stands where a window has no input."""
    whole = slice(0, axis.out)
    full = [axis.cut(x, i) for o, i in axis.pieces if o == whole]
    if len(full) > 1:
        out = op(full[0], full[1])
    elif full:
        out = full[0].clone()
    else:
        shape = list(x.shape)
        shape[axis.dim] = axis.out
        out = x.new_full(shape, start)
    for piece in full[2:]:
        op(out, piece, out=out)
    for o, i in axis.pieces:
        if o != whole:
            part = axis.cut(out, o)
            op(part, axis.cut(x, i), out=part)
    return out


def maximum(x: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """Return the largest value in each window (NaN if it has one); -FLT_MAX if it is empty."""
    return _reduce(_reduce(x, columns, torch.maximum, LOWEST), rows, torch.maximum, LOWEST)


def add_up(x: torch.Tensor, axis: Axis) -> torch.Tensor:
    """Return the sums over the windows of one axis."""
    if axis.out == 1 and len(axis.pieces) == axis.size:
        return x.sum(axis.dim, keepdim=True)
    return _reduce(x, axis, torch.add, 0)


def spread_out(diff: torch.Tensor, axis: Axis) -> torch.Tensor:
    """Return for each input the sum of `diff` over the windows it is in: add_up's transpose."""
    shape = list(diff.shape)
    shape[axis.dim] = axis.size
    wide = diff.new_zeros(shape)
    for o, i in axis.pieces:
        axis.cut(wide, i).add_(axis.cut(diff, o))
    return wide


def total(x: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """Return the sum of each window."""
    return add_up(add_up(x, columns), rows)


def spread(diff: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """Return the transpose of `total`."""
    return spread_out(spread_out(diff, rows), columns)


def _places(rows: Axis, columns: Axis) -> Iterator[tuple[tuple, tuple]]:
    """Yield for each place of a window, in scan order, the outputs and their inputs there."""
    for row_out, row_in in rows.pieces:
        for out, at in columns.pieces:
            yield (..., row_out, out), (..., row_in, at)


def route(diff: torch.Tensor, x: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """Return the diff of MAX's bottom: each output's goes to the first input that reaches it.

    Hits are ones and zeros among the floats: in-place arithmetic on whole slices is vectorized
    on a CPU, booleans and masks are not.
    """
    top, rest, down = maximum(x, rows, columns), diff.clone(), torch.zeros_like(x)
    apart = rows.stride >= rows.extent and columns.stride >= columns.extent
    room = torch.empty_like(rest)
    for out, at in _places(rows, columns):
        left = rest[out]
        hit = room[out].copy_(x[at]).eq_(top[out]).mul_(left)
        if apart:
            down[at] = hit
        else:
            down[at] += hit
        left -= hit
    return down


def first_index(x: torch.Tensor, top: torch.Tensor, rows: Axis, columns: Axis) -> torch.Tensor:
    """Return where in its plane (row x width + column) each maximum stands first; -1 if nowhere."""
    index = torch.full_like(top, -1)
    plane = torch.arange(rows.size * columns.size, dtype=top.dtype, device=top.device)
    plane = plane.view(rows.size, columns.size)
    for out, at in _places(rows, columns):
        found = index[out]
        found.copy_(torch.where((x[at] == top[out]) & (found < 0), plane[at], found))
    return index
