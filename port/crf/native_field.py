"""The mean field by the kernels of lattice.c, on as many threads as are asked for."""

import ctypes
from collections.abc import Sequence
from functools import partial
from itertools import zip_longest

import numpy as np

from port.crf.crf_kernels import (
    LANES,
    MEMBER,
    LatticeSpace,
    SlicedTerm,
    Team,
    VertexTable,
    Work,
    kernels,
)
from port.crf.lattice import GROUP, TINY, demand, gain, scales, steps, strides

NEVER = -1e30       # the score of classes that only fill a row up
FIRST_BITS = 14     # of a table's size
SPLIT = 1 << 21     # values of a lattice from which threads share the blur along an axis


class NativeTerm:
    """One pairwise term: the lattice of all points' features, the weights of the term in it.

    Made in steps, so that steps which one thread must do can be done for several terms at once.
    """

    def __init__(self, features: np.ndarray, weight: float, symmetric: bool, row: int,
                 team: Team) -> None:
        (self.axes, self.points), self.features = features.shape, features
        self.weight, self.symmetric = weight, symmetric
        self.corners, self.row, self.team = self.axes + 1, row, team
        self.stride = strides(features)
        demand(self.points * self.corners * 24, f'the lattice of {self.points} points')

    def embed(self) -> None:
        """Find the codes and weights of the corners of all points, and of those that fill up."""
        space, count = LatticeSpace(self.axes), self.points + -self.points % GROUP
        space.scale[:self.axes] = scales(self.axes).tolist()
        space.stride[:self.axes] = self.stride.tolist()
        self.codes = np.empty((count, self.corners), np.int64)
        self.weights = np.empty((count, self.corners), np.float32)
        kernel = partial(kernels().embed, ctypes.byref(space), self.features.ctypes.data,
                         self.points, self.codes.ctypes.data, self.weights.ctypes.data)
        self.team((kernel, self.team.even(count, LANES)))

    def number(self) -> None:
        """Number the vertices in the order in which points meet them; one thread."""
        self.ids = np.empty(self.codes.shape, np.int32)
        vertices, known = np.empty(self.codes.size, np.int64), ctypes.c_ssize_t(0)
        at, bits = 0, FIRST_BITS
        while True:
            self.slots = np.empty((1 << bits, 2), np.int64)
            self.table = VertexTable(self.slots.ctypes.data, bits)
            kernels().fill_table(ctypes.byref(self.table), vertices.ctypes.data, known.value)
            at = kernels().number(ctypes.byref(self.table), self.codes.ctypes.data, self.corners,
                                  at, len(self.codes), self.ids.ctypes.data,
                                  vertices.ctypes.data, ctypes.byref(known))
            if at == len(self.codes):
                break
            bits += 2
        self.vertices = vertices[:known.value]
        self.count = len(self.vertices)

    def index(self) -> None:
        """Number the vertices and gather their points; one thread."""
        self.number()
        self.gather_points()

    def find_neighbours(self) -> None:
        """Find the numbers of each vertex's two neighbours in each direction."""
        demand(self.count * (self.row + self.corners) * 8, f'the lattice of {self.points} points '
               f'and {self.count} vertices, of {self.row} classes,')
        self.even, moves = self.team.even(self.count), steps(self.stride)
        self.pairs = np.empty((self.corners, self.count, 2), np.int32)
        kernel = partial(kernels().find_neighbours, ctypes.byref(self.table),
                         self.vertices.ctypes.data, self.count, self.corners, moves.ctypes.data,
                         self.pairs.ctypes.data)
        self.team((kernel, self.even))

    def gather_points(self) -> None:
        """Find the points of each vertex, as the splat goes over vertices so that no two threads
        meet; one thread.
        """
        size, counts = self.points * self.corners, np.zeros(self.count + 1, np.intp)
        kernels().count_points(self.ids.ctypes.data, size, counts[1:].ctypes.data)
        self.starts = np.cumsum(counts)
        self.members = np.empty(size, MEMBER)
        following = self.starts[:-1].copy()
        kernels().turn_round(self.ids.ctypes.data, self.weights.ctypes.data, self.points,
                             self.corners, following.ctypes.data, self.members.ctypes.data)
        self.parts = np.searchsorted(self.starts, self.team.even(size))
        self.parts[-1] = self.count

    def finish(self) -> None:
        """Normalise; drop what is not needed any more, and make room for the values."""
        self._normalise()
        self.values = np.zeros((2, self.count + 1, self.row), np.float32)   # the last: no vertex
        self.last = self.values[self.corners % 2]
        del self.features, self.codes, self.slots, self.table, self.vertices

    def _normalise(self) -> None:
        """Put the term's weight and 1 / (K 1) into the weights of the slice: there is nothing
        left to multiply. Symmetric: its root into those of the splat and of the slice.
        """
        old, new = np.zeros((2, self.count + 1), np.float32)
        total = np.empty(self.points, np.float32)
        self.team((partial(kernels().splat_ones, self.starts.ctypes.data,
                           self.members.ctypes.data, old.ctypes.data), self.parts))
        for pairs in self.pairs:
            self.team((partial(kernels().blur_ones, pairs.ctypes.data, old.ctypes.data,
                               new.ctypes.data), self.even))
            old, new = new, old
        self.team((partial(kernels().slice_ones, self.ids.ctypes.data, self.weights.ctypes.data,
                           self.corners, old.ctypes.data, total.ctypes.data),
                   self.team.even(self.points)))
        total = total * np.float32(gain(self.axes)) + TINY
        after = np.float32(gain(self.axes) * self.weight) / total
        if self.symmetric:
            self.members['share'] /= np.sqrt(total)[self.members['point']]
            after *= np.sqrt(total)
        self.weights[:self.points] *= after[:, None]

    def splat(self, q: np.ndarray) -> Work:
        """Return the work that puts all points' rows onto the vertices."""
        return partial(kernels().splat, self.starts.ctypes.data, self.members.ctypes.data,
                       q.ctypes.data, self.values[0].ctypes.data, self.row), self.parts

    def blur(self, axis: int) -> Work:
        """Return the work that blurs along one direction."""
        old, new = self.values[axis % 2], self.values[(axis + 1) % 2]
        return partial(kernels().blur, self.pairs[axis].ctypes.data, old.ctypes.data,
                       new.ctypes.data, self.row), self.even

    def sliced(self) -> SlicedTerm:
        """Return what the slice reads."""
        return SlicedTerm(self.ids.ctypes.data, self.weights.ctypes.data, self.last.ctypes.data,
                          self.corners)


class NativeField:
    """The mean field of a picture: `q`, points x a row of classes, made better by `step`."""

    def __init__(self, scores: np.ndarray, terms: Sequence[tuple[np.ndarray, float]],
                 symmetric: bool, team: Team) -> None:
        self.classes, self.points = scores.shape
        self.row = -(-self.classes // LANES) * LANES
        demand(self.points * self.row * 12, f'the mean field of {self.points} points and '
               f'{self.classes} classes')
        self.team = team
        self.even = self.team.even(self.points)
        self.scores = np.empty((self.points, self.row), np.float32)
        self.q = np.empty_like(self.scores)
        self.terms = [NativeTerm(*term, symmetric, self.row, team) for term in terms]
        self._build(scores)
        self.stages = self._stages()

    def _build(self, scores: np.ndarray) -> None:
        """Make all terms' lattices, and the first q.

        Numbering vertices is one thread's work: the largest term's begins first, and other threads
        do the other terms' and the scores meanwhile.
        """
        for term in self.terms:
            term.embed()
        largest_first = sorted(self.terms, key=lambda term: -term.corners)
        self.team.each([*(term.index for term in largest_first), partial(self._begin, scores)])
        for term in self.terms:
            term.find_neighbours()
            term.finish()

    def _begin(self, scores: np.ndarray) -> None:
        """Lay the scores out as rows, and take their softmax; one thread."""
        kernels().to_rows(scores.ctypes.data, self.points, self.classes, self.scores.ctypes.data,
                          self.row, NEVER, 0, self.points)
        kernels().slice_softmax(None, 0, self.scores.ctypes.data, self.q.ctypes.data, self.row, 0,
                                self.points)

    def _stages(self) -> list[list[Work]]:
        """Return the works of an iteration before its slice: all terms' splats; all their blurs
        along the first direction, along the second, and so on. Where an axis is soon done, each
        term's blurs are one thread's work: threads that wait for one another take longer.
        """
        splats = [term.splat(self.q) for term in self.terms]
        blurs = [[term.blur(axis) for axis in range(term.corners)] for term in self.terms]
        axis = sum(term.count for term in self.terms) * self.row
        if axis > SPLIT or len(self.terms) < self.team.threads:
            return [splats, *([work for work in row if work] for row in zip_longest(*blurs))]

        def whole(first: int, last: int) -> None:
            for row in blurs[first:last]:
                for kernel, bounds in row:
                    kernel(0, bounds[-1])
        return [splats, [(whole, self.team.even(len(blurs)))]]

    def _softmax(self, terms: Sequence[NativeTerm]) -> None:
        read = (SlicedTerm * len(terms))(*(term.sliced() for term in terms))
        kernel = partial(kernels().slice_softmax, read, len(terms), self.scores.ctypes.data,
                         self.q.ctypes.data, self.row)
        self.team((kernel, self.even))

    def step(self) -> None:
        """Do one iteration: every point's classes from its scores and what the terms say."""
        for works in self.stages:
            self.team(*works)
        self._softmax(self.terms)

    def result(self) -> np.ndarray:
        """Return the probabilities, classes x points."""
        planes = np.empty((self.classes, self.points), np.float32)
        self.team((partial(kernels().to_planes, self.q.ctypes.data, self.row, planes.ctypes.data,
                           self.points, self.classes), self.even))
        return planes


def solve(scores: np.ndarray, terms: Sequence[tuple[np.ndarray, float]], symmetric: bool,
          iterations: int, threads: int) -> np.ndarray:
    """Return the probabilities, classes x points float32, after the iterations.

    scores: the same shape. terms: features, axes x points, and a weight each.
    """
    with Team(threads) as team:
        field = NativeField(scores, terms, symmetric, team)
        for _ in range(iterations):
            field.step()
        return field.result()
