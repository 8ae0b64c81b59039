"""The embedding against the lattice's definition, and the checks on what it is given."""

import numpy as np
import pytest

from port.crf import lattice
from port.crf.lattice import embed, filled, scales, steps, strides

WEIGHT_TOLERANCE = 1e-5     # float32, of coordinates of up to some hundreds


def points(axes: int, count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-20, 30, (axes, count)).astype(np.float32)


def elevated(features: np.ndarray) -> np.ndarray:
    """The plane's coordinates, (d + 1) x N: E f of the paper's page 5, in double precision."""
    d = len(features)
    matrix = np.triu(np.ones((d + 1, d)), 0)
    for j in range(1, d + 1):
        matrix[j, j - 1] = -j
    return matrix @ (features.astype(float) * scales(d).astype(float)[:, None])


def unpacked(codes: np.ndarray, stride: np.ndarray) -> np.ndarray:
    """The vertices' d + 1 coordinates from their codes; the last follows from the sum 0."""
    rest, coordinates = codes.astype(object), []
    for step, above in zip(stride, [*stride[1:], None], strict=True):
        if above is None:
            coordinates.append(rest // step)
        else:
            ratio = above // step
            digit = (rest // step + ratio // 2) % ratio - ratio // 2
            coordinates.append(digit)
            rest = rest - digit * step
    first = np.stack(coordinates).astype(np.int64)
    return np.concatenate([first, -first.sum(0, keepdims=True)])


@pytest.mark.parametrize('axes', [1, 2, 3, 4, 5])
def test_corners_are_a_simplex_around_the_point(axes: int) -> None:
    features = points(axes, 200)
    stride = strides(features)
    codes, weights = embed(features, stride)
    corners = unpacked(codes, stride)                       # axis, point, corner
    remainders = corners % (axes + 1)
    assert (remainders == remainders[:1]).all()             # one remainder a vertex
    assert (remainders[0] == np.arange(axes + 1)).all()     # and each corner another
    # barycentric weights: the corners' mean is the point
    np.testing.assert_allclose((corners * weights).sum(2), elevated(features),
                               atol=200 * WEIGHT_TOLERANCE)
    np.testing.assert_allclose(weights.sum(1), 1, atol=WEIGHT_TOLERANCE)
    assert weights.min() > -WEIGHT_TOLERANCE and weights.max() < 1 + WEIGHT_TOLERANCE


def test_steps_go_to_the_neighbours() -> None:
    """Down by one everywhere but up by d in the direction's own coordinate."""
    features = points(5, 50)
    stride = strides(features)
    codes, _ = embed(features, stride)
    here = unpacked(codes, stride)
    for axis, step in enumerate(steps(stride)):
        move = np.full((6, 1, 1), -1)
        move[axis] = 5
        assert (unpacked(codes + step, stride) == here + move).all()
        assert (unpacked(codes - step, stride) == here - move).all()


def test_points_go_by_fours() -> None:
    features = points(2, 6)
    grown = filled(features)
    assert grown.shape == (2, 8)
    assert (grown[:, :6] == features).all() and (grown[:, 6:] == 0).all()
    assert filled(points(2, 8)).shape == (2, 8)


def test_features_beyond_what_codes_can_tell() -> None:
    features = points(5, 10) * 1e6
    with pytest.raises(ValueError, match='standard deviations are too small'):
        strides(features)
    features = points(2, 10)
    features[1, 3] = np.nan
    with pytest.raises(ValueError, match='not finite'):
        strides(features)


def test_memory_that_is_not_there(tmp_path, monkeypatch) -> None:
    said = tmp_path / 'meminfo'
    said.write_text('MemTotal:  9 kB\nMemAvailable:    2048 kB\n')
    monkeypatch.setattr(lattice, 'MEMINFO', said)
    lattice.demand(2 << 20, 'this')
    with pytest.raises(MemoryError, match='the lattice of 9 points takes about 1.0 GiB'):
        lattice.demand(1 << 30, 'the lattice of 9 points')
    said.write_text('no such line\n')
    lattice.demand(1 << 60, 'this')         # a system that does not say is believed
