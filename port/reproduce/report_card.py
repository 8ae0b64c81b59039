"""The card that opens a report, on the page and in the terminal: a net's figures beside the
published ones, with what keeps them from standing there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from port.reproduce.report_pages import caveats_head, number

HEADS = ('metric', 'measured', 'published', 'difference', 'source')


def card(row: Mapping[str, Any], released: bool = False) -> list[list[str]]:
    """Return a line for each metric of a net: beside it the first figure of the very recipe."""
    digits = 4 if released else 2
    rows = []
    for metric, value in row['measured'].items():
        line = next((c for c in row['comparison'] if c['target'] and c['metric'] == metric), None)
        if value is None and line is None:
            continue
        told = [number(value, digits=digits)]
        told += ['-', '-', ''] if line is None else [
            str(line['published']), number(line['difference'], True, digits),
            line['source'] + on(line['split'], row['split'])]
        rows.append([metric, *told])
    return rows


def with_heads(row: Mapping[str, Any], released: bool = False) -> list[list[str]]:
    """Return the card under its heads; without the published columns where nothing is published."""
    whole = [list(HEADS), *card(row, released)]
    return whole if row['comparison'] else [line[:2] for line in whole]


def on(split: str, scored: str) -> str:
    """Name the list that a figure is of, where it is another than ours."""
    return '' if split == scored else f', on {split}'


def titled(row: Mapping[str, Any]) -> str:
    """Say which net was scored, on what and after how long."""
    trained = f', after {row["iterations"]:,} iterations' if row['iterations'] else ''
    return f'{row["name"]} on {row["split"]} ({len(row["images"]):,} images{trained}), in percent'


def closing(content: Mapping[str, Any], out: Path) -> str:
    """Return what a run ends with in the terminal: the net asked for, then its earlier stages."""
    asked, *earlier = reversed(content['stages'])
    lines = [f'{titled(asked)}:', *(f'  {line}' for line in _aligned(
        with_heads(asked, content['released'])))]
    if asked['refined']:
        lines.append(f'  mean IU {number(asked["refined"]["mean IU"])} after the dense CRF '
                     f'{asked["refined"]["crf"]}')
    if content['caveats']:
        lines += [f'  {caveats_head(asked)}:', *(f'  - {line}' for line in content['caveats'])]
    for row in earlier:
        told = next((r for r in card(row) if r[0] == row['metric']), None)
        if told:
            beside = f', published {told[2]} ({told[4]}), {told[3]}' if told[4] else ''
            lines.append(f'before it, {row["name"]}: {told[0]} {told[1]}{beside}')
    return '\n'.join([*lines, f'report: {out / "report.html"}, {out / "report.md"}, '
                              f'{out / "report.json"}'])


def _aligned(table: list[list[str]]) -> list[str]:
    """Return the rows of a table as text: figures on the right, words on the left."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    words = (0, len(widths) - 1)
    return ['  '.join(cell.ljust(width) if i in words else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
            for row in table]
