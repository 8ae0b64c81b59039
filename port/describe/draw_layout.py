"""Lay a net out in rows, as Sugiyama et al. (1981) do, and paint it with matplotlib.

Each box stands one row above the first that reads it; edges over several rows go through free
places in between; rows are ordered by the mean place of their neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING

import networkx as nx

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LETTER, LINE = 0.085, 0.165       # inches: a letter of the monospaced font, and its line
PAD, GAP, BETWEEN = 0.12, 0.35, 0.38   # inside a box, beside it, between rows
SWEEPS, STEPS = 24, 300           # to order the rows, to place the spots
FONT = 9


@dataclass
class Spot:
    """A box, or a free place that an edge goes through (lines None): inches, y downwards.

    top, bottom: of its row.
    """

    row: int
    lines: list[str] | None = None
    x: float = 0.0
    y: float = 0.0
    top: float = 0.0
    bottom: float = 0.0

    @property
    def width(self) -> float:
        longest = max(map(len, self.lines)) if self.lines else 0
        return longest * LETTER + 2 * PAD if self.lines else 0.12

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + 2 * PAD if self.lines else 0.0


@dataclass
class Layout:
    """Places of boxes and edges: spots of the blocks in order, the spots each edge goes through."""

    spots: list[Spot]
    paths: list[list[Spot]]
    width: float
    height: float


def rows_of(count: int, edges: Sequence) -> list[int]:
    """Return the row of each box: as low as the boxes that read it allow."""
    graph = nx.DiGraph()
    graph.add_nodes_from(range(count))
    graph.add_edges_from((e.start, e.end) for e in edges if e.start != e.end)
    up = dict.fromkeys(graph, 0)
    for node in reversed(list(nx.topological_sort(graph))):
        up[node] = max((up[n] + 1 for n in graph.successors(node)), default=0)
    deepest = max(up.values(), default=0)
    return [deepest - up[node] for node in range(count)]


def lay_out(texts: Sequence[list[str]], edges: Sequence) -> Layout:
    """Place the boxes with these lines of text and the edges between them."""
    spots = [Spot(row, text) for row, text in zip(rows_of(len(texts), edges), texts, strict=True)]
    paths, free = [], []
    for edge in edges:
        start, end = spots[edge.start], spots[edge.end]
        between = [Spot(row) for row in range(start.row + 1, end.row)]
        free += between
        paths.append([start, *between, end])
    rows: list[list[Spot]] = [[] for _ in range(1 + max((s.row for s in spots), default=-1))]
    for spot in [*spots, *free]:
        rows[spot.row].append(spot)
    near = _neighbours(paths, [edge.reference for edge in edges])
    _order(rows, near)
    _place(rows, near)
    height = _stack(rows)
    low = min((s.x - s.width / 2 for row in rows for s in row), default=0)
    for row in rows:
        for spot in row:
            spot.x += GAP - low
    width = max((s.x + s.width / 2 for row in rows for s in row), default=0) + GAP
    return Layout(spots, paths, width, height)


Near = dict[int, tuple[list[tuple[Spot, float]], list[tuple[Spot, float]]]]


def _neighbours(paths: Sequence[Sequence[Spot]], references: Sequence[bool]) -> Near:
    """Return for each spot those above and below it, each with the weight of the edge.

    An edge wants to be straight most where it passes by other rows; a reference hardly does.
    """
    near: Near = {}
    for path, reference in zip(paths, references, strict=True):
        for spot in path:
            near.setdefault(id(spot), ([], []))
        for upper, lower in zip(path[:-1], path[1:], strict=True):
            weight = (1.0, 2.0, 8.0)[(upper.lines is None) + (lower.lines is None)]
            weight *= 0.05 if reference else 1
            near[id(upper)][1].append((lower, weight))
            near[id(lower)][0].append((upper, weight))
    return near


def _mean(means: Mapping[int, float], spot: Spot) -> float:
    return means[id(spot)]


def _order(rows: list[list[Spot]], near: Near) -> None:
    """Order each row by the mean index of its neighbours in the row before, down and up."""
    for sweep in range(SWEEPS):
        down = sweep % 2 == 0
        index = {id(s): i for row in rows for i, s in enumerate(row)}
        for row in rows if down else rows[::-1]:
            means: dict[int, float] = {}
            for i, spot in enumerate(row):
                others = near.get(id(spot), ([], []))[0 if down else 1]
                means[id(spot)] = (sum(index[id(o)] for o, _ in others) / len(others)
                                   if others else i)
            row.sort(key=partial(_mean, means))
            index.update((id(s), i) for i, s in enumerate(row))


def _place(rows: list[list[Spot]], near: Near) -> None:
    """Move every spot towards the mean of its neighbours, as far as its row has room."""
    for row in rows:
        _spread(row, [0.0] * len(row))
    for step in range(STEPS):
        for row in rows if step % 2 == 0 else rows[::-1]:
            wanted = []
            for spot in row:
                above, below = near.get(id(spot), ([], []))
                total = sum(weight for _, weight in (*above, *below))
                pull = sum(weight * other.x for other, weight in (*above, *below))
                wanted.append(pull / total if total else spot.x)
            _spread(row, wanted)


def _spread(row: list[Spot], wanted: list[float]) -> None:
    """Give the spots of a row their wanted places, or the nearest where they do not overlap.

    Spots that would overlap form a group around the mean of what they want (isotonic regression).
    """
    groups: list[list] = []          # [sum of wanted left ends, count, first index]
    offset, offsets = 0.0, []
    for i, (spot, x) in enumerate(zip(row, wanted, strict=True)):
        if i:
            offset += (row[i - 1].width + spot.width) / 2 + GAP
        offsets.append(offset)
        groups.append([x - offset, 1, i])
        while len(groups) > 1 and groups[-2][0] / groups[-2][1] > groups[-1][0] / groups[-1][1]:
            total, count, _ = groups.pop()
            groups[-1][0] += total
            groups[-1][1] += count
    for total, count, first in groups:
        for i in range(first, first + count):
            row[i].x = total / count + offsets[i]


def _stack(rows: list[list[Spot]]) -> float:
    """Give the rows their heights, from the top; return the whole height."""
    y = GAP
    for row in rows:
        tall = max(spot.height for spot in row)
        for spot in row:
            spot.y, spot.top, spot.bottom = y + tall / 2, y, y + tall
        y += tall + BETWEEN
    return y - BETWEEN + GAP


# -- painting --------------------------------------------------------------------------------------

def paint(blocks: Sequence, edges: Sequence, form: str, colours: Mapping[str, str]) -> bytes:
    """Return a picture of boxes and edges as a file of a form: png, svg, pdf. Always the same."""
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    layout = lay_out([block.text for block in blocks], edges)
    figure = Figure(figsize=(layout.width, layout.height))
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, layout.width), ylim=(layout.height, 0))
    axes.axis('off')
    for edge, through in zip(edges, layout.paths, strict=True):
        _paint_edge(axes, through, edge.reference)
    for block, spot in zip(blocks, layout.spots, strict=True):
        _paint_box(axes, spot, colours[block.kind], bool(block.shape))
    dated, memory = {'svg': {'Date': None}, 'pdf': {'CreationDate': None}}, BytesIO()
    with rc_context({'svg.hashsalt': 'fcn-caffe'}):        # or the ids in it are random
        figure.savefig(memory, format=form, dpi=110, metadata=dated.get(form, {}))
    return memory.getvalue()


def _paint_box(axes: 'Axes', spot: Spot, colour: str, shaped: bool) -> None:
    from matplotlib.patches import FancyBboxPatch
    left, top = spot.x - spot.width / 2, spot.y - spot.height / 2
    axes.add_patch(FancyBboxPatch((left, top), spot.width, spot.height, facecolor=colour,
                                  boxstyle='round,pad=0,rounding_size=0.06', edgecolor='#444444',
                                  linewidth=0.8, zorder=2))
    lines = spot.lines or []
    for i, line in enumerate(lines):
        last = shaped and i == len(lines) - 1
        axes.text(left + PAD, top + PAD + (i + .5) * LINE, line, family='monospace', fontsize=FONT,
                  va='center', zorder=3, color='#666666' if last else '#111111',
                  style='italic' if last else 'normal')


def _paint_edge(axes: 'Axes', through: list[Spot], reference: bool) -> None:
    """Paint a smooth line from the bottom of the first spot to the top of the last."""
    from matplotlib.patches import FancyArrowPatch
    from matplotlib.path import Path as Curve
    start, end = through[0], through[-1]
    vertices, codes = [(start.x, start.y + start.height / 2)], [Curve.MOVETO]
    for spot in through[1:]:
        x0, y0 = vertices[-1]
        y1 = spot.top if spot is not end else end.y - end.height / 2
        vertices += [(x0, (y0 + y1) / 2), (spot.x, (y0 + y1) / 2), (spot.x, y1)]
        codes += [Curve.CURVE4] * 3
        if spot is not end:
            vertices.append((spot.x, spot.bottom))
            codes.append(Curve.LINETO)
    axes.add_patch(FancyArrowPatch(
        path=Curve(vertices, codes), arrowstyle='-|>', mutation_scale=9, zorder=1, shrinkA=0,
        shrinkB=0, linewidth=0.9, color='#aaaaaa' if reference else '#555555',
        linestyle=(0, (4, 3)) if reference else 'solid'))
