"""Claims: with VOC-sized JPEGs and SBDD's .mat labels the loader feeds over 60 pairs a second, and
training waits for data for less than 5 % of its time.

Draws such files. Loader: SBDDSegDataLayer alone, without reading ahead and with it. Training: steps
of a narrow FCN-32s, the plain engine and the fast one; a full net takes longer and so waits less.
Waiting is the time until the pair that is due is there; handling adds its copying into the blobs.
    python benchmarks/loading.py [--pairs 300] [--steps 60] [--width 0.125]
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path

import numpy as np
import scipy.io
import scipy.sparse
from forward import machine
from PIL import Image

from netspec.families.fcn import fcn
from netspec.schema.messages import SolverParameter
from port.data.scenes import draw_scene
from port.data.voc import MEAN, SBDDSegDataLayer
from port.engine.blob import Blob
from port.engine.starting_weights import prepare
from port.fast.speed_up import train_by
from port.images.read_ahead import ReadAhead
from port.scoring.evaluate import data_instance
from port.training.solver import Solver

FILES, SIZE = 40, (375, 500)
NET, RATE, MOMENTUM, DECAY = 'voc-fcn32s', 1e-10, 0.99, 0.0005     # the published solver's
PAIRS_A_SECOND, WAITING = 60, 0.05
WARM = 5                                                           # steps before those measured


def write_files(root: Path) -> None:
    """Write FILES pairs as SBDD stores them, the sparse boundaries of 20 classes included."""
    rng = np.random.default_rng(0)
    for folder in ('img', 'cls'):
        (root / folder).mkdir()
    for i in range(FILES):
        pixels, labels = draw_scene(SIZE, rng)
        Image.fromarray(pixels).save(root / 'img' / f'{i}.jpg', quality=92)
        edges = np.empty((20, 1), object)
        for k in range(20):
            edges[k, 0] = scipy.sparse.csc_matrix((labels == k + 1) & (np.roll(labels, 1) != k + 1))
        struct = {'Boundaries': edges, 'Segmentation': labels,
                  'CategoriesPresent': np.unique(labels)[:, None]}
        scipy.io.savemat(root / 'cls' / f'{i}.mat', {'GTcls': struct}, do_compression=True)
    (root / 'train.txt').write_text(''.join(f'{i}\n' for i in range(FILES)))


def rate(root: Path, prefetch: int, pairs: int) -> float:
    """Time the layer's reshape and forward; pairs a second."""
    layer = SBDDSegDataLayer()
    layer.param_str = repr({'sbdd_dir': str(root), 'split': 'train', 'seed': 1337,
                            'mean': MEAN, 'prefetch': prefetch})
    top = [Blob('data').face(), Blob('label').face()]
    layer.setup([], top)
    start = time.perf_counter()
    for _ in range(pairs):
        layer.reshape([], top)
        layer.forward([], top)
    return pairs / (time.perf_counter() - start)


class Stopwatch:
    """Adds up the time spent in what it wraps."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def around(self, function: Callable) -> Callable:
        """Wrap a function."""
        @wraps(function)
        def timed(*args):
            start = time.perf_counter()
            try:
                return function(*args)
            finally:
                self.seconds += time.perf_counter() - start
        return timed


def make_solver(root: Path, width: float, fast: bool) -> Solver:
    """Return a solver of the published training net that reads the files."""
    solver = Solver(SolverParameter(
        train_net_param=fcn(NET, 'train', width=width, data_root={'sbdd_dir': str(root)}),
        base_lr=RATE, lr_policy='fixed', momentum=MOMENTUM, weight_decay=DECAY, max_iter=10 ** 6,
        display=0, random_seed=1337))
    prepare(solver.net)
    reason = train_by(solver, True) if fast else ''
    if reason:
        sys.exit(f'no fast passes: {reason}')
    return solver


def share(root: Path, width: float, steps: int, fast: bool) -> dict[str, float]:
    """Train some steps; return their time, and the shares of it that data took."""
    solver = make_solver(root, width, fast)
    data, handled, waited = data_instance(solver.net), Stopwatch(), Stopwatch()
    data.reshape, data.forward = handled.around(data.reshape), handled.around(data.forward)
    plain, ReadAhead.current = ReadAhead.current, waited.around(ReadAhead.current)
    try:
        solver.step(WARM)
        handled.seconds = waited.seconds = 0.0
        start = time.perf_counter()
        solver.step(steps)
        whole = time.perf_counter() - start
    finally:
        ReadAhead.current = plain
        data.queue.close()
    return {'step_s': round(whole / steps, 4), 'waiting': round(waited.seconds / whole, 5),
            'waiting and copying': round(handled.seconds / whole, 5)}


def main() -> None:
    """Measure, print as JSON, exit 1 where a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--pairs', type=int, default=300)
    parser.add_argument('--steps', type=int, default=60)
    parser.add_argument('--width', type=float, default=0.125)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_files(root)
        rates = {f'read ahead {n}': round(rate(root, n, options.pairs), 1) for n in (0, 4)}
        shares = {engine: share(root, options.width, options.steps, engine == 'fast')
                  for engine in ('plain', 'fast')}
    print(json.dumps({'pairs_a_second': rates, 'size': f'{SIZE[0]}x{SIZE[1]}', 'net': NET,
                      'width': options.width, 'steps': options.steps, 'training': shares,
                      'machine': machine()}, indent=1))
    waiting = max(row['waiting and copying'] for row in shares.values())
    if max(rates.values()) < PAIRS_A_SECOND or waiting > WAITING:
        sys.exit(f'missed: {max(rates.values())} pairs a second (bar {PAIRS_A_SECOND}), '
                 f'{waiting:.1%} of the time for data (bar {WAITING:.0%})')


if __name__ == '__main__':
    main()
