"""The permutohedral lattice (Adams, Baek, Davis 2010): a Gaussian filter over scattered points.

As the DeepLab fork computes it (util/permutohedral.cpp), in float32, its details included.

Each point has a feature vector f of d numbers; the filter is to give every point the sum over all
points of exp(-|f_i - f_j|^2 / 2) times their values. All pairs would be N^2. Instead the values
are put onto the vertices of a lattice, blurred along it, and read off again, which takes time
proportional to N:

1. *Embed.* f is moved onto the plane of d + 1 coordinates whose sum is 0, stretched so that a
   lattice step is as wide as the blur wants it. The lattice consists of the points of that plane
   whose coordinates are whole and all leave the same remainder when divided by d + 1. It cuts
   the plane into simplices of d + 1 corners, one of each remainder. Rounding each coordinate to
   a multiple of d + 1 nearly gives the corner of remainder 0; the order of what rounding left
   over says which simplex around it holds the point, and also how near the point is to each of
   its corners (barycentric weights: 1 in sum, never negative).
2. *Splat.* Each corner adds up weight times value of its points.
3. *Blur.* Along each of the d + 1 directions in turn, a vertex becomes itself plus half of each
   of its two neighbours. A vertex that no point lies beside does not exist and counts as 0.
4. *Slice.* Each point reads its corners with the same weights.

A vertex is known by its first d coordinates, packed into one whole number, `code`, so that a step
to a neighbour is an addition. The grid of vertices stands still in feature space: features moved
by a constant are filtered a little differently.
"""

import math
from pathlib import Path

import numpy as np

GROUP = 4           # the authors' code takes points in groups of four, the last filled with zeros
CODES = 1 << 62     # most vertices that codes can tell apart
TINY = np.float32(1e-20)        # what the authors add to K 1 before they divide by it
MEMINFO = Path('/proc/meminfo')


def scales(axes: int) -> np.ndarray:
    """Return the stretch of each feature: sqrt(2/3) (d + 1) / sqrt((j + 1) (j + 2))."""
    wide = float(np.float32(math.sqrt(2 / 3) * (axes + 1)))
    return np.array([1 / math.sqrt((j + 2) * (j + 1)) * wide for j in range(axes)], np.float32)


def filled(features: np.ndarray) -> np.ndarray:
    """Return features, d x N float32, with points of zeros up to a multiple of four.

    They carry no value, but make the vertices around 0 exist, which the blur then passes through.
    """
    return np.pad(np.asarray(features, np.float32), ((0, 0), (0, -features.shape[1] % GROUP)))


def strides(features: np.ndarray) -> np.ndarray:
    """Return what a step of one along each of the first d coordinates adds to a code.

    Raises ValueError where the features are not finite, or reach over more than codes can tell.
    """
    d, ranges = len(features), []
    low, high = (f(1).astype(float) * scales(d) for f in (features.min, features.max))
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        raise ValueError('the picture holds numbers that are not finite')
    for i in range(d):      # coordinate i is the sum of the stretched f_i.. less i times f_(i-1)
        own = i * np.array([high[i - 1], low[i - 1]]) if i else np.zeros(2)
        ends = low[i:].sum() - own[0], high[i:].sum() - own[1]
        ranges.append(math.ceil(max(map(abs, ends))) * 2 + 4 * (d + 1))
    if math.prod(ranges) > CODES:
        raise ValueError('the standard deviations are too small: the features reach over '
                         f'{" x ".join(map(str, ranges))} lattice steps; give larger ones')
    return np.cumprod([1, *ranges[:-1]], dtype=np.int64)


def embed(features: np.ndarray, stride: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the codes, N x (d + 1) int64, and the weights, float32, of each point's corners."""
    d, n = features.shape
    inverse = np.float32(1) / np.float32(d + 1)
    up, total = np.empty((d + 1, n), np.float32), np.zeros(n, np.float32)
    for j, part in reversed(list(enumerate(features * scales(d)[:, None], 1))):
        up[j] = total - np.float32(j) * part
        total = total + part
    up[0] = total
    whole = np.rint(up * inverse)
    near = whole * np.float32(d + 1)        # the corner of remainder 0, if these sum to 0
    rest, rank = up - near, np.zeros((d + 1, n), np.int64)
    for i in range(d):
        for j in range(i + 1, d + 1):
            below = rest[i] < rest[j]
            rank[i] += below
            rank[j] += ~below
    rank += whole.sum(0).astype(np.int64)   # if not, the outermost coordinates go back
    turn = (rank < 0).astype(np.int64) - (rank > d)
    rank += turn * (d + 1)
    near += turn * (d + 1)
    part, jump = np.empty((d + 1, n), np.float32), np.empty((d + 1, n), np.int64)
    np.put_along_axis(part, rank, (up - near) * inverse, 0)
    np.put_along_axis(jump, rank, np.broadcast_to([*stride, 0], (n, d + 1)).T * (d + 1), 0)
    weights = np.concatenate([part[d:] + (1 - part[:1]), part[d - 1::-1] - part[:0:-1]])
    codes = np.empty((d + 1, n), np.int64)
    codes[0] = stride @ near[:d].astype(np.int64)
    for r in range(d):
        codes[r + 1] = codes[r] + stride.sum() - jump[d - r]
    return np.ascontiguousarray(codes.T), np.ascontiguousarray(weights.T)


def steps(stride: np.ndarray) -> np.ndarray:
    """Return what a step in each of the d + 1 directions adds to a code.

    All coordinates go down by one, and the direction's own up by d.
    """
    d = len(stride)
    return np.array([*stride, 0]) * (d + 1) - stride.sum()


def gain(axes: int) -> float:
    """Return the factor of the slice, 1 / (1 + 2^-d), for which the authors give no reason."""
    return 1 / (1 + 2.0 ** -axes)


def free_memory() -> float:
    """Return the bytes of memory that can be had; infinity where the system does not say."""
    try:
        rows = dict(line.split(':') for line in MEMINFO.read_text().splitlines())
        return int(rows['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return math.inf


def demand(size: int, what: str) -> None:
    """Raise MemoryError where so many bytes cannot be had."""
    free = free_memory()
    if size > free:
        raise MemoryError(f'{what} takes about {size / 2**30:.1f} GiB of memory, '
                          f'{free / 2**30:.1f} are free; take smaller pictures, or larger '
                          'standard deviations')
