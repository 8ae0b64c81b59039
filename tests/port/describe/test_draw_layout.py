"""The layout of a drawn net: rows from the ends upwards, and no box over another."""

from dataclasses import dataclass

import numpy as np
import pytest

from port.describe.draw_layout import Spot, _spread, lay_out, rows_of


@dataclass(frozen=True)
class Line:
    start: int
    end: int
    reference: bool = False


def test_rows_stand_just_above_their_readers() -> None:
    #   0 -> 1 -> 2 -> 3 -> 5 and 1 -> 4 -> 5: 4 stands beside 3, not beside 2
    edges = [Line(0, 1), Line(1, 2), Line(2, 3), Line(3, 5), Line(1, 4), Line(4, 5)]
    assert rows_of(6, edges) == [0, 1, 2, 3, 3, 4]


def test_spread_is_the_nearest_without_overlap() -> None:
    row = [Spot(0), Spot(0), Spot(0)]
    step = row[0].width + .35
    _spread(row, [0, 0, 10])
    assert [s.x for s in row] == pytest.approx([-step / 2, step / 2, 10])
    _spread(row, [5, 0, 20])
    assert [s.x for s in row] == pytest.approx([2.5 - step / 2, 2.5 + step / 2, 20])


@pytest.mark.parametrize('seed', range(5))
def test_boxes_do_not_touch(seed: int) -> None:
    random = np.random.RandomState(seed)
    count = 25
    edges = {Line(int(random.randint(0, i)), i) for i in range(1, count) for _ in range(2)}
    texts = [['x' * random.randint(1, 30)] * random.randint(1, 5) for _ in range(count)]
    layout = lay_out(texts, sorted(edges, key=lambda e: (e.start, e.end)))
    spots = layout.spots
    for i, a in enumerate(spots):
        assert 0 < a.x - a.width / 2 and a.x + a.width / 2 < layout.width
        assert 0 < a.y - a.height / 2 and a.y + a.height / 2 < layout.height
        for b in spots[:i]:
            apart = (abs(a.x - b.x) - (a.width + b.width) / 2,
                     abs(a.y - b.y) - (a.height + b.height) / 2)
            assert max(apart) > .1
    for path in layout.paths:
        assert all(b.top > a.bottom for a, b in zip(path[:-1], path[1:], strict=True))


def test_a_chain_is_straight() -> None:
    layout = lay_out([['a'], ['bcd'], ['e']], [Line(0, 1), Line(1, 2)])
    assert len({round(s.x, 6) for s in layout.spots}) == 1
