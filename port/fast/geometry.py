"""Along one axis: what an image can reach, what the border changes, and what a layer must read.

A blob's blank value is what it would hold for an image of zeros. Outside the image's reach it
holds just that; away from the border the blank value is the same everywhere (docs/padding.md).
"""

from dataclasses import dataclass
from typing import NamedTuple

NEVER = -(1 << 40)      # border zones of an image of zeros: padding with zeros changes nothing


class Span(NamedTuple):
    """Positions first … last - 1."""

    first: int
    last: int

    @property
    def size(self) -> int:
        return self.last - self.first

    def join(self, other: 'Span | None') -> 'Span':
        return self if other is None else Span(min(self.first, other.first),
                                               max(self.last, other.last))

    def clip(self, size: int) -> 'Span':
        return Span(max(0, self.first), min(size, self.last))


class Reach(NamedTuple):
    """One axis of a blob: its size, the positions that the image reaches, and how many at each
    end hold blank values of their own. All positions between share one.
    """

    size: int
    image: Span
    before: int
    after: int

    @property
    def runs(self) -> list[Span]:
        """The positions whose blank values tell all others: the ends, and one from between."""
        before, after = max(0, self.before), max(0, self.after)
        if before + 1 + after >= self.size:
            return [Span(0, self.size)]
        return [Span(0, before + 1)] + ([Span(self.size - after, self.size)] if after else [])

    def kept(self, positions: range) -> list[int]:
        """Return where the blank values of positions stand among those of `runs`; outside the
        blob, one behind the last.
        """
        runs = self.runs
        count, first = sum(run.size for run in runs), runs[0].last - 1
        skipped = self.size - count
        ends = self.size - max(0, self.after)
        return [count if not 0 <= i < self.size else i if skipped == 0 or i <= first else
                first if i < ends else i - skipped for i in positions]


def image(size: int) -> Reach:
    """Return the reach of an input blob."""
    return Reach(size, Span(0, size), NEVER, NEVER)


def everywhere(size: int) -> Reach:
    """Return the reach of a blob that is computed wherever it is wanted."""
    return Reach(size, Span(0, size), size, size)


def join(reaches: list[Reach]) -> Reach:
    """Return the reach of a function of several blobs of one size, position by position."""
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
        """A window is reached where it overlaps the image's reach; blank alike where inside."""
        s, p, e = self.stride, self.pad, self.extent
        first, last = -(-(x.image.first + p - e + 1) // s), (x.image.last - 1 + p) // s + 1
        inner = (x.size - x.after + p - e) // s + 1
        return Reach(self.out, Span(first, last).clip(self.out),
                     min(self.out, max(0, -(-(x.before + p) // s))),
                     min(self.out, max(0, self.out - inner)))

    def read(self, y: Span) -> Span:
        """Return what the windows of a span cover, padding included."""
        return Span(y.first * self.stride - self.pad,
                    (y.last - 1) * self.stride - self.pad + self.extent)


@dataclass(frozen=True)
class Spreading:
    """The transpose: position i is spread over i stride - pad … + extent."""

    extent: int
    stride: int
    pad: int
    out: int
    size: int

    def reach(self, x: Reach) -> Reach:
        """Between two inputs the blank value is not constant: compute everywhere."""
        return everywhere(self.out)

    def read(self, y: Span) -> Span:
        first = -(-(y.first + self.pad - self.extent + 1) // self.stride)
        return Span(first, (y.last - 1 + self.pad) // self.stride + 1).clip(self.size)


@dataclass(frozen=True)
class Shifting:
    """A Crop: position i is the bottom's i + offset."""

    offset: int
    out: int

    def reach(self, x: Reach) -> Reach:
        o, n = self.offset, self.out
        inner = x.size - x.after - o
        return Reach(n, Span(x.image.first - o, x.image.last - o).clip(n),
                     min(n, max(0, x.before - o)), min(n, max(0, n - inner)))

    def read(self, y: Span) -> Span:
        return Span(y.first + self.offset, y.last + self.offset)


@dataclass(frozen=True)
class Pointwise:
    """Each position by itself."""

    def reach(self, x: Reach) -> Reach:
        return x

    def read(self, y: Span) -> Span:
        return y


@dataclass(frozen=True)
class Place:
    """Where one axis of a value lies: wanted by later layers, and computed; the rest is blank."""

    reach: Reach
    wanted: Span
    computed: Span

    @property
    def size(self) -> int:
        return self.reach.size


def place(reach: Reach, wanted: Span, compute_all: bool) -> Place:
    """Decide what to compute of what is wanted: what the image reaches."""
    wanted = wanted.clip(reach.size)
    first, last = max(wanted.first, reach.image.first), min(wanted.last, reach.image.last)
    alone = compute_all or first >= last
    return Place(reach, wanted, wanted if alone else Span(first, last))
