"""How the time of FCN-8s grows with the size of the image and with the batch: plain engine, fast
engine in float32 and bfloat16, as a table and a plot.

    python benchmarks/cost.py [--width 1] [--runs 3] [--out docs/cost.svg] [--busy]
"""

import argparse
import json
import statistics
from collections.abc import Callable
from pathlib import Path

import torch
from forward import clock_for, machine

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.predict.predictor import NetPredictor

NET = 'voc-fcn8s'
SIDES, BATCHES, SIDE = (64, 128, 256, 384, 512), (1, 2, 4), 128


def measure(tasks: dict[str, Callable], shape: tuple[int, ...], runs: int,
            clock: Callable[[], float]) -> dict[str, float]:
    """Return the median seconds of each task on an image of that shape, taking turns."""
    x, seconds = 50 * torch.randn(shape), {name: [] for name in tasks}
    for turn in range(runs + 1):
        for name, run in tasks.items():
            begin = clock()
            run(x)
            if turn:
                seconds[name].append(clock() - begin)
    return {name: round(statistics.median(times), 4) for name, times in seconds.items()}


def plot(by_side: dict[int, dict[str, float]], by_batch: dict[int, dict[str, float]],
         path: Path) -> None:
    """Draw seconds against the side of a square image, and seconds an image against the batch."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(9, 3.6), layout='constrained')
    left, right = figure.subplots(1, 2)
    for name in by_side[SIDES[0]]:
        left.plot(list(by_side), [row[name] for row in by_side.values()], marker='o', label=name)
        right.plot(list(by_batch), [row[name] / n for n, row in by_batch.items()], marker='o')
    left.set(xlabel='side of the image (pixels)', ylabel='seconds', ylim=(0, None))
    right.set(xlabel=f'images of {SIDE} x {SIDE} in a batch', ylabel='seconds an image',
              ylim=(0, None), xticks=BATCHES)
    left.legend()
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=float, default=1.0)
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--out', type=Path, help='write the plot here')
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    options = parser.parse_args()
    clock = clock_for(options.busy)
    net = Net(fcn(NET, 'deploy', width=options.width), TEST)
    random_weights(net, 1)
    tasks = {'plain engine': lambda x: net.forward(data=x), 'float32': NetPredictor(net),
             'bfloat16': NetPredictor(net, torch.bfloat16)}
    measure(tasks, (1, 3, SIDES[-1], SIDES[-1]), 1, clock)     # memory is there from now on
    by_side = {side: measure(tasks, (1, 3, side, side), options.runs, clock) for side in SIDES}
    by_batch = {n: measure(tasks, (n, 3, SIDE, SIDE), options.runs, clock) for n in BATCHES}
    if options.out:
        plot(by_side, by_batch, options.out)
    print(json.dumps({'net': NET, 'width': options.width, 'seconds by side': by_side,
                      f'seconds by batch, {SIDE} x {SIDE}': by_batch, 'machine': machine()},
                     indent=1))


if __name__ == '__main__':
    main()
