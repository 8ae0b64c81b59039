"""Draws docs/stages.svg: how near to the true boundaries each stage's mean IU holds.

Reads what `fcn score NET --boundaries --json=FILE` wrote of the stages:
python docs/stages_figure.py s16.json s8.json s4.json
"""

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

COLOURS = ('#9ecae1', '#4292c6', '#08306b')


def draw(files: list[str], target: Path) -> None:
    """Draw mean IU over the width of the band, one line a file, and the boundary F1 beside it."""
    figure = Figure(figsize=(7.5, 3), layout='constrained')
    bands, f1 = figure.subplots(1, 2, width_ratios=(2, 1))
    for colour, file in zip(COLOURS, files, strict=True):
        found = json.loads(Path(file).read_text())['score']
        name = Path(file).stem
        rows = found['mean_IU_in_band']
        places = [*map(str, rows), 'all']
        values = [100 * v for v in (*rows.values(), found['mean_IU'])]
        bands.plot(places, values, marker='o', color=colour, label=name)
        f1.bar(name, 100 * found['boundary_F1'], color=colour)
    bands.set(xlabel='pixels from a true boundary', ylabel='mean IU, CamVid val')
    bands.legend()
    bands.grid(alpha=0.3)
    f1.set(ylabel='boundary F1')
    figure.savefig(target, metadata={'Date': None})


if __name__ == '__main__':
    draw(sys.argv[1:], Path(__file__).parent / 'stages.svg')
