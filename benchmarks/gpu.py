"""On a GPU: milliseconds of FCN-8s at 500 x 500, batch 1, by precision (the paper: 100; aim: below
3); iterations a second of heavy training of FCN-32s (aim: 56, the published 100,000 in half an
hour); the share of the device's peak that both reach, and the kernels that take the time.

Without a GPU it says so and measures nothing, unless --device cpu asks for it.
    python benchmarks/gpu.py [--device cuda] [--width 1] [--size 500x500] [--runs 50]
        [--train-sizes 375x500,500x375,…]
"""

import argparse
import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable

import torch
from forward import machine
from torch.profiler import ProfilerActivity, profile
from train_step import DECAY, MOMENTUM, RATE, picture
from train_step import NET as TRAINED

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST, SolverParameter
from netspec.variants import VARIANTS
from port.describe.timing import timed_net
from port.engine.net import Net
from port.engine.precision import use_tf32
from port.engine.random_weights import random_weights
from port.fast.reach.plan import ReachPlan
from port.fast.speed_up import train_by
from port.fast.training import FastTraining
from port.predict.predictor import GPU_ONLY, PRECISIONS, predictor
from port.training.solver import Solver

NET, WARM_UP, SHOWN = 'voc-fcn8s', 16, 5      # every size is recorded at its third call
# Dense floating-point operations a second, as their maker gives them.
PEAKS = {'H200': {'float32': 67e12, 'tf32': 495e12, 'bfloat16': 989e12, 'float16': 989e12},
         'H100': {'float32': 67e12, 'tf32': 495e12, 'bfloat16': 989e12, 'float16': 989e12},
         'A100': {'float32': 19.5e12, 'tf32': 156e12, 'bfloat16': 312e12, 'float16': 312e12}}
Run = Callable[[], object]


def seconds(run: Run, runs: int, device: torch.device) -> float:
    """Return the median time of a run, the device's work included, after warming up."""
    found = []
    for turn in range(WARM_UP + runs):
        begin = time.perf_counter()
        run()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        if turn >= WARM_UP:
            found.append(time.perf_counter() - begin)
    return statistics.median(found)


def operations(planned: ReachPlan) -> float:
    """Return the floating-point operations of a plan's convolutions, forward."""
    return sum(2. * placed.operation.layer.blobs[0].count * placed.work.outputs[0].size
               * placed.work.outputs[1].size for placed in planned.operations
               if placed.operation.kind == 'Convolution')


def most(run: Run, device: torch.device) -> dict[str, float]:
    """Return the kernels that take most of a run, with their shares."""
    on = ProfilerActivity.CUDA if device.type == 'cuda' else ProfilerActivity.CPU
    with profile(activities=[on]) as found:
        run()
        if device.type == 'cuda':
            torch.cuda.synchronize()
    times = {row.key[:60]: row.self_device_time_total if device.type == 'cuda'
             else row.self_cpu_time_total for row in found.key_averages()}
    whole = sum(times.values()) or 1
    top = sorted(times, key=times.get, reverse=True)[:SHOWN]
    return {name: round(times[name] / whole, 3) for name in top}


def row(run: Run, work: float, peak: float | None, options, device: torch.device) -> dict:
    """Measure one run of `work` operations."""
    took = seconds(run, options.runs, device)
    return {'ms': round(1e3 * took, 3), 'a second': round(1 / took, 1),
            'share of peak': peak and round(work / took / peak, 3), 'most': most(run, device)}


def inference(options, size: tuple[int, int], peaks: dict[str, float],
              device: torch.device) -> dict[str, dict]:
    """Measure the predictor in every precision that the device has."""
    net, found = Net(fcn(NET, 'deploy', width=options.width), TEST, device=device), {}
    random_weights(net, 1)
    net.to(device)
    x = 50 * torch.randn(1, 3, *size, device=device)
    for precision in PRECISIONS:
        if device.type == 'cuda' or precision not in GPU_ONLY:
            predict = predictor(net, precision=precision)
            work = operations(predict.fast.plan({'data': size}))
            found[precision] = row(lambda p=predict: p(x), work, peaks.get(precision), options,
                                   device)
    return found


def training(options, peaks: dict[str, float], device: torch.device) -> dict[str, dict]:
    """Measure steps of the solver over images of several sizes in turn, their way to the device
    included.
    """
    sizes = [tuple(map(int, text.split('x'))) for text in options.train_sizes.split(',')]
    solver = Solver(SolverParameter(
        net_param=timed_net(VARIANTS[TRAINED], sizes[0], options.width), base_lr=RATE,
        lr_policy='fixed', momentum=MOMENTUM, weight_decay=DECAY, max_iter=1 << 30, display=0),
        device=device)
    random_weights(solver.net, 1)
    solver.net.to(device)
    pictures = itertools.cycle([picture(size) for size in sizes])
    if train_by(solver, True):
        sys.exit('no fast passes')

    def step() -> None:
        data, labels = next(pictures)
        solver.net.feed(data=data, label=labels)
        solver.step(1)
    work, found = 0.0, {}
    for _ in sizes:
        step()
        work += 3 * operations(FastTraining(solver.net).trained.plan()) / len(sizes)
    for precision in ('float32', 'tf32') if device.type == 'cuda' else ('float32',):
        use_tf32(precision == 'tf32')
        train_by(solver, True)                    # recordings keep the precision they were made in
        found[precision] = row(step, work, peaks.get(precision), options, device)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', default='cuda')
    parser.add_argument('--width', type=float, default=1.0)
    parser.add_argument('--size', default='500x500')
    parser.add_argument('--train-sizes', default='375x500,500x375,333x500,500x333')
    parser.add_argument('--runs', type=int, default=50)
    options = parser.parse_args()
    if options.device == 'cuda' and not torch.cuda.is_available():
        print(json.dumps({'device': None, 'why': 'no GPU here: nothing measured',
                          'machine': machine()}, indent=1))
        return
    device, size = torch.device(options.device), tuple(map(int, options.size.split('x')))
    name = torch.cuda.get_device_name(device) if device.type == 'cuda' else 'CPU'
    peaks = next((row for key, row in PEAKS.items() if key in name), {})
    print(json.dumps({'device': name, 'width': options.width, 'size': options.size,
                      'FCN-8s forward': inference(options, size, peaks, device),
                      'FCN-32s training': training(options, peaks, device),
                      'machine': machine() | {'cuda': torch.version.cuda}}, indent=1))


if __name__ == '__main__':
    main()
