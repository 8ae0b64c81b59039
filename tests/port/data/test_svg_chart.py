"""port.data.svg_chart: ticks, points and places of curves."""

import re
import xml.etree.ElementTree as ET

import pytest

from port.data.svg_chart import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Curve,
    chart,
    steps,
    thinned,
)


@pytest.mark.parametrize(('low', 'high', 'found'), [
    (0, 600, [0, 100, 200, 300, 400, 500, 600]), (12.7, 69.9, [20, 30, 40, 50, 60]),
    (3, 3, [3]), (0.02, 0.11, [0.02, 0.04, 0.06, 0.08, 0.1])])
def test_ticks_are_round_and_within(low, high, found):
    assert steps(low, high) == pytest.approx(found)


def test_many_points_become_means_of_neighbours():
    points = [(i, 2.0 * i) for i in range(1000)]
    few = thinned(points, 100)
    assert len(few) == 100 and few[0] == (4.5, 9.0) and few[-1] == (994.5, 1989.0)
    assert thinned(points[:100], 100) == points[:100] and thinned([]) == []


def drawn(text: str) -> ET.Element:
    return ET.fromstring(re.search(r'<svg.*?</svg>', text, re.S)[0].replace('<svg', '<svg '))


def test_a_curve_fills_the_frame_and_a_level_crosses_it():
    svg = drawn(chart('t', 'x', 'y', [Curve('a', [(10, 0), (20, 100)]),
                                      Curve('b', [(10, 50)], 1, True)]))
    (line,) = svg.findall('polyline')
    (x0, y0), (x1, y1) = (map(float, p.split(',')) for p in line.get('points').split())
    assert (x0, x1) == (LEFT, WIDTH - RIGHT)
    room = (HEIGHT - BOTTOM - TOP) * 5 / 110                # a twentieth of the range on each side
    assert y0 == pytest.approx(HEIGHT - BOTTOM - room, abs=.1)
    assert y1 == pytest.approx(TOP + room, abs=.1)
    dotted = [one for one in svg.findall('line') if one.get('stroke-dasharray')]
    assert [float(one.get('y1')) for one in dotted] == [pytest.approx((y0 + y1) / 2, abs=.1)]


def test_decades_are_equally_far_apart():
    svg = drawn(chart('t', 'x', 'y', [Curve('a', [(0, 1), (1, 10), (2, 100)])], log=True))
    ys = [float(p.split(',')[1]) for p in svg.find('polyline').get('points').split()]
    assert ys[0] - ys[1] == pytest.approx(ys[1] - ys[2], abs=.1) and ys[0] > ys[2]


def test_what_is_not_finite_is_left_out_and_names_are_escaped():
    assert chart('t', 'x', 'y', [Curve('a', [(0, float('nan'))])]) == ''
    text = chart('<t>', 'x', 'y', [Curve('a<b', [(0, 1), (1, float('inf')), (2, 3)])])
    assert len(drawn(text).find('polyline').get('points').split()) == 2
    assert 'a&lt;b' in text and 'aria-label="&lt;t&gt;"' in text
