"""The mean field without a compiler: numpy, and scipy's sparse matrices for splat and slice."""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import csr_matrix

from port.crf.lattice import TINY, demand, embed, filled, gain, steps, strides

LEAST = -20         # their exponential gives 0 below


def exponential(x: np.ndarray) -> np.ndarray:
    """Return e^x, and 0 below -20, as the authors' fast_exp has it."""
    return np.where(x < LEAST, np.float32(0), np.exp(x))


class PlainTerm:
    """One pairwise term: a filter over the features of all points, normalised, times a weight."""

    def __init__(self, features: np.ndarray, weight: float, symmetric: bool) -> None:
        (d, n), stride = features.shape, strides(features)
        demand(n * (d + 1) * 80, f'the lattice of {n} points')
        codes, weights = embed(filled(features), stride)
        vertices, ids = np.unique(codes, return_inverse=True)
        ids, count = ids.reshape(codes.shape)[:n], len(vertices)
        self.corners = csr_matrix((weights[:n].ravel(), ids.ravel().astype(np.int32),
                                   np.arange(0, n * (d + 1) + 1, d + 1)), (n, count))
        self.pairs = np.empty((d + 1, 2, count), np.int32)
        for axis, step in enumerate(steps(stride)):
            for side, sign in enumerate((1, -1)):
                wanted = vertices + sign * step
                at = np.minimum(np.searchsorted(vertices, wanted), count - 1)
                self.pairs[axis, side] = np.where(vertices[at] == wanted, at, count)
        self.before, self.after = np.ones((n, 1), np.float32), np.full((n, 1), gain(d), np.float32)
        total = self(self.before) + TINY
        self.after *= np.float32(weight) / total
        if symmetric:       # half of it before the filter, half after
            self.before /= np.sqrt(total)
            self.after *= np.sqrt(total)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Filter values, points x classes."""
        splat = self.corners.T @ (values * self.before)
        values = np.concatenate([splat, np.zeros_like(splat[:1])])      # the last: no vertex
        for first, second in self.pairs:
            values[:-1] += np.float32(0.5) * (values[first] + values[second])
        return (self.corners @ values[:-1]) * self.after


def softmax(x: np.ndarray) -> np.ndarray:
    """Return e^x over its sum, along the last axis."""
    e = exponential(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def solve(scores: np.ndarray, terms: Sequence[tuple[np.ndarray, float]], symmetric: bool,
          iterations: int, threads: int) -> np.ndarray:
    """As native_field's; always one thread."""
    rows = np.ascontiguousarray(scores.T)
    demand(8 * rows.nbytes, f'the mean field of {len(rows)} points')
    filters = [PlainTerm(*term, symmetric) for term in terms]
    q = softmax(rows)
    for _ in range(iterations):
        q = softmax(sum((term(q) for term in filters), rows))
    return np.ascontiguousarray(q.T)
