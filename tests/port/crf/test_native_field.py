"""The kernels one by one against plain code: vertices, neighbours, rows of many classes."""

import numpy as np
import pytest

from port.crf import crf_kernels, native_field
from port.crf.crf_kernels import Team
from port.crf.lattice import embed, filled, steps, strides
from port.crf.mean_field import features
from port.crf.native_field import NativeTerm

pytestmark = pytest.mark.skipif(crf_kernels.library() is None, reason='no C compiler here')
IMAGE = np.random.default_rng(5).integers(0, 256, (37, 51, 3), np.uint8)


def numbered(planes: np.ndarray, team: Team) -> NativeTerm:
    """A term whose vertices are known."""
    term = NativeTerm(planes, 1, False, 8, team)
    term.embed()
    term.number()
    return term


@pytest.fixture(params=[('gaussian', 3, 3), ('bilateral', 5, 50, 10), ('bilateral', 4, 7, 2)],
                ids=str)
def planes(request) -> np.ndarray:
    return features(request.param, 37, 51, IMAGE)


@pytest.mark.parametrize('threads', [1, 3])
def test_the_same_vertices_as_in_numpy(planes: np.ndarray, threads: int) -> None:
    """To the bit: which vertices exist must not depend on the route."""
    with Team(threads) as team:
        term = numbered(planes, team)
    codes, weights = embed(filled(planes), strides(planes))
    assert np.array_equal(term.codes, codes)
    np.testing.assert_allclose(term.weights, weights, atol=1e-6)
    assert np.array_equal(np.sort(term.vertices), np.unique(codes))
    assert np.array_equal(term.vertices[term.ids], codes)


def test_tables_grow(planes: np.ndarray, monkeypatch) -> None:
    monkeypatch.setattr(native_field, 'FIRST_BITS', 5)
    with Team(1) as team:
        term = numbered(planes, team)
    codes, _ = embed(filled(planes), strides(planes))
    assert term.count == len(np.unique(codes)) > 1 << 5
    assert np.array_equal(term.vertices[term.ids], codes)


def test_neighbours(planes: np.ndarray) -> None:
    with Team(2) as team:
        term = numbered(planes, team)
        term.find_neighbours()
    number = {code: i for i, code in enumerate(term.vertices.tolist())}
    for axis, step in enumerate(steps(strides(planes)).tolist()):
        for side, sign in enumerate((1, -1)):
            wanted = [number.get(code + sign * step, term.count)
                      for code in term.vertices.tolist()]
            assert term.pairs[axis, :, side].tolist() == wanted


def test_points_of_each_vertex(planes: np.ndarray) -> None:
    with Team(1) as team:
        term = numbered(planes, team)
        term.gather_points()
    ids = term.ids[:term.points]
    for vertex in (0, term.count // 2, term.count - 1):
        points, corner = np.nonzero(ids == vertex)
        inside = slice(term.starts[vertex], term.starts[vertex + 1])
        assert np.array_equal(term.members['point'][inside], points)
        assert np.array_equal(term.members['share'][inside], term.weights[points, corner])
