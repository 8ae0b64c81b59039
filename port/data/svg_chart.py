"""Curves as SVG inside a page: in its colours, light or dark, and sharp on a telephone."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 420, 250            # of the drawing's own units: 12 of them is a letter's height
LEFT, RIGHT, TOP, BOTTOM = 52, 18, 10, 40
POINTS = 400                        # of a curve; more are averaged
COLOURS = 6


@dataclass(frozen=True)
class Curve:
    """A line of a chart: its name and points; level: a dotted line across at one height."""

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    level: bool = False


@dataclass(frozen=True)
class _Axis:
    """Maps values of an axis to places between two ends of the drawing."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v
                            for v in (self.low, self.high, value))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Return the values to write on the axis: round ones."""
        if self.log:
            first, last = math.ceil(math.log10(self.low)), math.floor(math.log10(self.high))
            if last > first:
                every = max(1, (last - first) // 5)
                return [10.0 ** k for k in range(first, last + 1, every)]
        return steps(self.low, self.high)


def steps(low: float, high: float, most: int = 6) -> list[float]:
    """Return up to `most` round values between two, or the one value where there is no range."""
    if not high > low:
        return [low]
    rough = (high - low) / most
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * k for k in (1, 2, 5, 10) if size * k >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def thinned(points: Sequence[tuple[float, float]], most: int = POINTS) -> list[tuple[float, float]]:
    """Return at most so many points: the means of neighbours where there are more."""
    every = -(-len(points) // most)
    parts = [points[i:i + every] for i in range(0, len(points), every)] if every else []
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part))
            for part in parts]


def chart(title: str, x_name: str, y_name: str, curves: Sequence[Curve],
          log: bool = False) -> str:
    """Return a chart with its legend below; '' where no curve has a finite point.

    log: by powers of ten, as far as all values are above 0.
    """
    drawn = [(curve, [p for p in thinned(curve.points) if all(map(math.isfinite, p))])
             for curve in curves]
    places = [p for _, points in drawn for p in points]
    if not places:
        return ''
    xs, ys = zip(*places, strict=True)
    log = log and min(ys) > 0
    room = 0 if log else 0.05 * ((max(ys) - min(ys)) or 1)
    across = _Axis(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    up = _Axis(min(ys) - room, max(ys) + room, HEIGHT - BOTTOM, TOP, log)
    parts = [*_grid(across, up), _text(WIDTH / 2, HEIGHT - 4, x_name),
             f'<text transform="translate(11 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">'
             f'{html.escape(y_name)}</text>']
    for curve, points in drawn:
        parts.append(_line(curve, [(across(x), up(y)) for x, y in points]))
    return (f'<figure><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" width="640" height="381" '
            f'aria-label="{html.escape(title)}" font-size="12" fill="currentColor">'
            f'{"".join(parts)}</svg>{_names(curves)}</figure>')


def _grid(across: _Axis, up: _Axis) -> list[str]:
    parts = []
    for value in up.ticks():
        y = up(value)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                     'stroke="var(--line)"/>' + _text(LEFT - 5, y + 4, f'{value:,.10g}', 'end'))
    return parts + [_text(across(value), HEIGHT - BOTTOM + 16, f'{value:,.10g}')
                    for value in across.ticks()]


def _text(x: float, y: float, text: str, anchor: str = 'middle') -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(text)}</text>'


def _line(curve: Curve, places: Sequence[tuple[float, float]]) -> str:
    colour = f'var(--c{curve.colour % COLOURS})'
    if curve.level:
        y = places[0][1]
        return (f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" '
                f'stroke="{colour}" stroke-width="1.5" stroke-dasharray="3 4"/>')
    path = ' '.join(f'{x:.1f},{y:.1f}' for x, y in places)
    dots = ''.join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>'
                   for x, y in places) if len(places) <= 30 else ''
    return (f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>{dots}')


def _names(curves: Sequence[Curve]) -> str:
    items = ''.join(f'<li><span style="background: var(--c{curve.colour % COLOURS})"></span>'
                    f'{html.escape(curve.name)}{" (dotted)" if curve.level else ""}</li>'
                    for curve in curves)
    return f'<ul class="legend">{items}</ul>'
