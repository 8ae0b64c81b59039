"""Along one axis of a blob: what an image can reach, what the border changes, and what a layer
must read of its bottom.

A blob's blank values are what it would hold for an image of zeros. Outside the image's reach it
holds just those. Near a border they differ from position to position, as windows there read
padding; away from it they are all the same (docs/padding.md). Rows and columns are independent,
so everything here is about one axis, and each layer has a rule for each: `reach` says from the
bottom's what the image reaches of the top, `read` from a range of the top what it reads below.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

NEVER = -(1 << 40)      # border zones of an image of zeros: padding with zeros changes nothing


class Interval(NamedTuple):
    """The positions first, first + 1 … last - 1 along an axis."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first

    def join(self, other: 'Interval | None') -> 'Interval':
        """Return the smallest interval that holds both."""
        return self if other is None else Interval(min(self.first, other.first),
                                               max(self.last, other.last))

    def clip(self, size: int) -> 'Interval':
        """Return the part within 0..size."""
        if self.first >= 0 and self.last <= size:
            return self
        return Interval(max(0, self.first), min(size, self.last))


class Reach(NamedTuple):
    """One axis of a blob. The `before` first and the `after` last positions may each have blank
    values of their own; all between have the same.
    """

    size: int
    image: Interval       # what the image reaches
    before: int
    after: int

    @property
    def runs(self) -> list[Interval]:
        """The positions whose blank values are computed: both ends, and one from between, the
        last of the first run, which stands for all between.
        """
        before, after = max(0, self.before), max(0, self.after)
        if before + 1 + after >= self.size:
            return [Interval(0, self.size)]
        ends = [Interval(self.size - after, self.size)] if after else []
        return [Interval(0, before + 1), *ends]

    @property
    def stored(self) -> int:
        """How many positions of the axis a blank holds."""
        return sum(run.size for run in self.runs)

    def stored_at(self, positions: range) -> list[int]:
        """Return for each position which of the computed ones, counted through `runs`, has its
        blank value. A position outside the blob, in the padding, gets the number behind the last
        computed one, where the caller puts a zero.
        """
        runs, count = self.runs, self.stored
        if len(runs) == 1 and count == self.size:
            return [i if 0 <= i < self.size else count for i in positions]
        between, end = runs[0].last - 1, self.size - max(0, self.after)
        return [count if not 0 <= i < self.size else i if i < between else
                between if i < end else i - (self.size - count) for i in positions]


def whole_image(size: int) -> Reach:
    """Return the reach of an input blob: all of it is the image, none of it depends on a border."""
    return Reach(size, Interval(0, size), NEVER, NEVER)


def everywhere(size: int) -> Reach:
    """Return the reach of a blob whose blank values are alike nowhere, so that all of it has to be
    computed.
    """
    return Reach(size, Interval(0, size), size, size)


def join(reaches: list[Reach]) -> Reach:
    """Return the reach of a top that has at each position a function of several bottoms there."""
    first = reaches[0]
    span = first.image
    for other in reaches[1:]:
        span = span.join(other.image)
    return Reach(first.size, span, max(r.before for r in reaches), max(r.after for r in reaches))


@dataclass(frozen=True)
class Sliding:
    """A window of `extent` positions every `stride`, the first at -pad; `out` windows."""

    extent: int
    stride: int
    pad: int
    out: int

    def reach(self, x: Reach) -> Reach:
        """The image reaches the windows that overlap what it reaches of the bottom. Those that
        lie wholly between the bottom's ends all read the same blank values.
        """
        s, p, e = self.stride, self.pad, self.extent
        first, last = -(-(x.image.first + p - e + 1) // s), (x.image.last - 1 + p) // s + 1
        inner = (x.size - x.after + p - e) // s + 1
        return Reach(self.out, Interval(first, last).clip(self.out),
                     min(self.out, max(0, -(-(x.before + p) // s))),
                     min(self.out, max(0, self.out - inner)))

    def read(self, y: Interval) -> Interval:
        """Return what the windows of a span cover, padding included."""
        return Interval(y.first * self.stride - self.pad,
                    (y.last - 1) * self.stride - self.pad + self.extent)


@dataclass(frozen=True)
class Spreading:
    """A Deconvolution: the bottom's position i is added to `extent` positions of the top, from
    i stride - pad on.
    """

    extent: int
    stride: int
    pad: int
    out: int
    size: int

    def reach(self, x: Reach) -> Reach:
        """Between what two neighbours spread over, blank values are not the same."""
        return everywhere(self.out)

    def read(self, y: Interval) -> Interval:
        first = -(-(y.first + self.pad - self.extent + 1) // self.stride)
        return Interval(first, (y.last - 1 + self.pad) // self.stride + 1).clip(self.size)


@dataclass(frozen=True)
class Stretching:
    """What is made of all of the bottom's `size` positions: an Interp's `out`, an Upsample's."""

    size: int
    out: int

    def reach(self, x: Reach) -> Reach:
        """Between two positions of the bottom, blank values are not the same."""
        return everywhere(self.out)

    def read(self, y: Interval) -> Interval:
        return Interval(0, self.size)


@dataclass(frozen=True)
class Resizing:
    """An Interp of whose top parts are asked for: `size` positions of the bottom, behind the first
    `cut`, resized to `out`.
    """

    size: int
    out: int
    cut: int

    def reach(self, x: Reach) -> Reach:
        """As for Stretching."""
        return everywhere(self.out)

    def places(self, y: Interval) -> np.ndarray:
        """Return where the positions of a span lie between those of the bottom that are resized;
        in single precision, as torch has it, which matters far from the beginning.
        """
        scale = np.float32(self.size - 1) / np.float32(max(1, self.out - 1))
        return np.arange(*y, dtype=np.float32) * scale

    def read(self, y: Interval) -> Interval:
        first, last = (int(n) for n in self.places(y)[[0, -1]])
        return Interval(self.cut + first, self.cut + min(self.size, last + 2))


@dataclass(frozen=True)
class Shifting:
    """A Crop: the top's position i is the bottom's i + offset."""

    offset: int
    out: int

    def reach(self, x: Reach) -> Reach:
        o, n = self.offset, self.out
        inner = x.size - x.after - o
        return Reach(n, Interval(x.image.first - o, x.image.last - o).clip(n),
                     min(n, max(0, x.before - o)), min(n, max(0, n - inner)))

    def read(self, y: Interval) -> Interval:
        return Interval(y.first + self.offset, y.last + self.offset)


@dataclass(frozen=True)
class SamePlace:
    """A layer that computes each position of its top from that of its bottoms."""

    def reach(self, x: Reach) -> Reach:
        return x

    def read(self, y: Interval) -> Interval:
        return y


@dataclass(frozen=True)
class AxisPart:
    """One axis of a value in a plan: what later layers want of it, and what of that is computed.
    The rest of what they want is filled with blank values.
    """

    reach: Reach
    wanted: Interval
    computed: Interval

    @property
    def size(self) -> int:
        return self.reach.size


def part_of(reach: Reach, wanted: Interval, compute_all: bool) -> AxisPart:
    """Decide what to compute of what is wanted: what the image reaches of it, or, where it reaches
    none of it, everything, as an operation must compute something.
    """
    wanted = wanted.clip(reach.size)
    first, last = max(wanted.first, reach.image.first), min(wanted.last, reach.image.last)
    compute_all = compute_all or first >= last
    return AxisPart(reach, wanted, wanted if compute_all else Interval(first, last))
