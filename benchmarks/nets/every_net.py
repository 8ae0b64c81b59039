"""Claims, for every row of `fcn list` at a quarter of its width: the fast engine's forward pass
takes no longer than ONNX Runtime on our export and than the plain engine, its training step no
longer than the plain engine's; beside them stands an eager module as one writes it (eager_net.py).
A row that the fast engine refuses, or does not know to its end, is named with its reason.

Weights are drawn; contenders take turns in one process, medians are compared. On a machine that
others use, --busy measures one thread's processor time. JSON is printed; a table in Markdown ends
stderr, and goes to --page where one is named.
    PYTHONPATH=benchmarks python benchmarks/nets/every_net.py [--nets NAME …] [--width 0.25]
        [--size 161x193] [--runs 3] [--steps 2] [--busy] [--page FILE.md]
"""

import argparse
import json
import logging
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from eager_net import EagerNet
from forward import clock_for, machine, measure, smooth_noise

from netspec.families import make_net
from netspec.schema import write_atomic
from netspec.schema.messages import TEST, SolverParameter
from netspec.variants import VARIANTS, Variant
from port.describe.timing import timed_net
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.export.onnx_file import export
from port.fast.speed_up import train_by
from port.predict.predictor import NetPredictor, score_layers
from port.training.solver import Solver

FORWARD, STEP = ('eager', 'onnxruntime', 'plain engine'), 'a step / plain engine'
BAR = 1.0
# Passes below so many seconds vary by a half: they are run so much oftener.
QUICK, MORE_RUNS = 0.03, 7
WARM_UP = 2                 # steps, in which each contender's memory finds its place
Row = dict[str, object]


def images_for(net: Net, size: str) -> dict[str, np.ndarray]:
    """Return an array of that size for each input."""
    found = {}
    for name in net.inputs:
        image = smooth_noise(size)
        shape = 1, net.blobs[name].shape[1], *image.shape[2:]
        found[name] = np.ascontiguousarray(np.resize(image, shape))
    return found


def contenders(net: Net, arrays: dict[str, np.ndarray], folder: Path) -> dict[str, Callable]:
    """Return what to run, by name; each gives scores."""
    layer, ours = score_layers(net)[0], NetPredictor(net)
    eager, tensors = EagerNet(net, layer), [torch.from_numpy(a) for a in arrays.values()]
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(export(net, folder / 'net.onnx'), options,
                                           providers=['CPUExecutionProvider'])
    return {'plain engine': lambda: net.forward(**arrays)[layer],
            'eager': lambda: eager(*tensors),
            'onnxruntime': lambda: session.run([layer], arrays)[0],
            'ours': lambda: ours(*arrays.values())}


def forward_of(row: Variant, size: str, options: argparse.Namespace) -> Row:
    """Return the forward figures of a row."""
    net = Net(make_net(row, 'deploy', width=options.width), TEST)
    random_weights(net, 1)
    arrays = images_for(net, size)
    with tempfile.TemporaryDirectory() as folder:
        tasks = contenders(net, arrays, Path(folder))
        seconds, scores = measure(tasks, options.runs, clock_for(options.busy))
        if max(map(statistics.median, seconds.values())) < QUICK:
            seconds, scores = measure(tasks, MORE_RUNS * options.runs, clock_for(options.busy))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    plain = scores['plain engine']
    return {'median_ms': {name: round(1e3 * v, 2) for name, v in medians.items()},
            'ratio': {f'ours / {name}': round(medians['ours'] / medians[name], 3)
                      for name in FORWARD},
            'off_by_share_of_largest': {
                name: float(f'{np.abs(y - plain).max() / np.abs(plain).max():.2g}')
                for name, y in scores.items()},
            'refused': NetPredictor(net).reason}


def solver_for(row: Variant, size: tuple[int, int], width: float) -> Solver:
    """Return a solver of a row's training net on one image of smooth values and its labels."""
    solver = Solver(SolverParameter(
        net_param=timed_net(row, size, width), base_lr=1e-10, lr_policy='fixed', momentum=0.9,
        weight_decay=0.0005, max_iter=1000, display=0))
    random_weights(solver.net, 1)
    image = smooth_noise('{}x{}'.format(*size))
    labels = {head.label for head in row.heads}
    for name in solver.net.inputs or [top for node in solver.net.nodes if not node.bottom
                                      for top in node.layer.param.top]:
        blob = solver.net.blobs[name]
        if name in labels:
            blob.data.zero_()
            blob.data[..., ::2, :] = 1
        else:
            blob.data.copy_(torch.from_numpy(np.resize(image, blob.shape)))
    return solver


def step_of(row: Variant, size: tuple[int, int], options: argparse.Namespace) -> Row:
    """Return the figures of a row's training steps."""
    clock = clock_for(options.busy)
    solvers = {name: solver_for(row, size, options.width) for name in ('ours', 'plain engine')}
    told = Told()
    reason = train_by(solvers['ours'], True)
    logging.getLogger('port.fast').removeHandler(told)
    seconds = {name: [] for name in solvers}
    for turn in range(WARM_UP + options.steps):
        for name, solver in solvers.items():
            begin = clock()
            solver.step(1)
            if turn >= WARM_UP:
                seconds[name].append(clock() - begin)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {'step_ms': {name: round(1e3 * v, 2) for name, v in medians.items()},
            'step ratio': round(medians['ours'] / medians['plain engine'], 3),
            'step refused': reason or told.rest}


class Told(logging.Handler):
    """Listens to what the log says of the engine of the next net; rest: where it is not the fast
    one's alone.
    """

    def __init__(self) -> None:
        super().__init__()
        self.rest = ''
        fast = logging.getLogger('port.fast')
        fast.addHandler(self)
        fast.setLevel(logging.INFO)

    def emit(self, record: logging.LogRecord) -> None:
        self.rest = record.getMessage().partition('by the fast engine, ')[2]


def measured(row: Variant, options: argparse.Namespace) -> Row:
    """Return one row's figures."""
    size = options.size
    if row.frame:                       # SegNet's nets are made for one: a multiple of 32
        frame = tuple(int(side) // 32 * 32 for side in size.split('x'))
        row, size = replace(row, frame=frame), '{}x{}'.format(*frame)
    height, width = map(int, size.split('x'))
    return forward_of(row, size, options) | (
        step_of(row, (height, width), options) if options.steps else {})


def ratios(row: Row) -> dict[str, float]:
    """Return ours over each other of a row."""
    return row['ratio'] | ({STEP: row['step ratio']} if 'step ratio' in row else {})


def page(found: dict[str, Row], options: argparse.Namespace, seconds: float) -> str:
    """Return the table in Markdown."""
    where = machine()
    lines = [f'Width {options.width:g}, {options.size}, {where["threads"]} thread(s), '
             f'{where["cpu"]}, torch {where["torch"]}, ONNX Runtime {where["onnxruntime"]}; '
             f'{seconds:.0f} s in all. Milliseconds of ours, and ours over each other; above '
             f'{BAR:g} bold.', '',
             '| net | forward, ms | / eager | / ONNX Runtime | / plain | a step, ms | / plain | '
             'off by | not known to the fast engine |', '|---|---|---|---|---|---|---|---|---|']
    for name, row in found.items():
        told = [f'**{value:.2f}**' if value > BAR else f'{value:.2f}'
                for value in ratios(row).values()]
        step = [f'{row["step_ms"]["ours"]:.0f}', told[3]] if 'step_ms' in row else ['', '']
        lines.append('| ' + ' | '.join([
            name, f'{row["median_ms"]["ours"]:.0f}', *told[:3], *step,
            f'{row["off_by_share_of_largest"]["ours"]:.1e}',
            '; '.join(filter(None, (row['refused'], row.get('step refused'))))]) + ' |')
    return '\n'.join(lines) + '\n'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--nets', nargs='+', default=list(VARIANTS), metavar='NAME',
                        choices=list(VARIANTS))
    parser.add_argument('--width', type=float, default=0.25)
    parser.add_argument('--size', default='161x193')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--steps', type=int, default=2, help='0: no training')
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    parser.add_argument('--page', type=Path, help='write the table here')
    options = parser.parse_args()
    begun, found = time.monotonic(), {}
    for name in options.nets:
        found[name] = measured(VARIANTS[name], options)
        print(f'{name}: {json.dumps(found[name])}', file=sys.stderr)
    print(json.dumps({'width': options.width, 'size': options.size, 'runs': options.runs,
                      'nets': found, 'machine': machine()}, indent=1))
    text = page(found, options, time.monotonic() - begun)
    print(f'\n{text}', file=sys.stderr)
    if options.page:
        options.page.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(options.page, [text.encode()])
    missed = [f'{name}: {pair} is {value}' for name, row in found.items()
              for pair, value in ratios(row).items() if value > BAR and pair != 'ours / eager']
    if missed and len(found) > 1:
        sys.exit(f'missed: {"; ".join(missed)}')


if __name__ == '__main__':
    main()
