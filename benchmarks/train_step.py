"""Claims: a training step of FCN-32s at 375 x 500 (forward, backward, update) by the fast passes
takes at most 0.42 of a hand-written eager one, and its process at most 0.65 of the memory.

Time: both take turns in one process; medians. Memory: the peak of a process of its own for each,
less what it holds before its net is made.
    python benchmarks/train_step.py [--width 1] [--size 375x500] [--runs 3] [--busy]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from forward import ByHand, clock_for, machine

from netspec.families.fcn import fcn
from netspec.schema.messages import TEST, SolverParameter
from netspec.variants import VARIANTS
from port.describe.timing import timed_net
from port.engine.net import Net
from port.engine.random_weights import random_weights
from port.fast.speed_up import train_by
from port.training.solver import Solver

NET = 'voc-fcn32s'
RATE, MOMENTUM, DECAY = 1e-10, 0.99, 0.0005        # the published solver's
TIME, MEMORY = 0.42, 0.65
Step = Callable[[], float]


def picture(size: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return an image of smooth random values and labels, some of them ignored."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, 3, size[0] // 16 + 2, size[1] // 16 + 2, generator=generator)
    labels = torch.randint(0, 22, (1, 1, size[0] // 16 + 1, size[1] // 16 + 1),
                           generator=generator).float()
    labels = F.interpolate(labels, size=size)
    return (F.interpolate(60 * coarse, size=size, mode='bicubic'),
            torch.where(labels == 21, 255., labels))


def stepper(solver: Solver, data: torch.Tensor, labels: torch.Tensor, fast: bool) -> Step:
    """Return a step of a solver on one batch; it returns the loss."""
    solver.net.feed(data=data, label=labels)
    reason = train_by(solver, True) if fast else ''
    if reason:
        sys.exit(f'no fast passes: {reason}')

    def step() -> float:
        solver.step(1)
        return solver.losses[-1]
    return step


def by_solver(width: float, size: tuple[int, int], fast: bool) -> Step:
    """Return a step of our solver."""
    solver = Solver(SolverParameter(
        net_param=timed_net(VARIANTS[NET], size, width), base_lr=RATE, lr_policy='fixed',
        momentum=MOMENTUM, weight_decay=DECAY, max_iter=1000, display=0))
    random_weights(solver.net, 1)
    return stepper(solver, *picture(size), fast)


def by_hand(width: float, size: tuple[int, int]) -> Step:
    """Return a step of the module that one writes in torch, with torch's own optimizer."""
    source = Net(fcn(NET, 'deploy', width=width), TEST)
    random_weights(source, 1)
    module = ByHand(source, 32).train()
    source = None
    module.drop = torch.nn.Dropout()
    biases = [p for n, p in module.named_parameters() if n.endswith('bias')]
    weights = [p for n, p in module.named_parameters() if p.requires_grad and n.endswith('weight')]
    optimizer = torch.optim.SGD([
        dict(params=weights, lr=RATE, weight_decay=DECAY),
        dict(params=biases, lr=2 * RATE, weight_decay=0)], lr=RATE, momentum=MOMENTUM)
    data, labels = picture(size)
    labels = labels[:, 0].long()

    def step() -> float:
        optimizer.zero_grad()
        loss = F.cross_entropy(module(data), labels, ignore_index=255, reduction='sum')
        loss.backward()
        optimizer.step()
        return float(loss.detach())
    return step


KINDS = {'eager': by_hand, 'ours': lambda *a: by_solver(*a, fast=True),
         'plain engine': lambda *a: by_solver(*a, fast=False)}


def measure(width: float, size: tuple[int, int], runs: int,
            clock: Callable[[], float]) -> dict[str, list[float]]:
    """Take steps in turn; return the seconds of each run but the first."""
    steps = {kind: make(width, size) for kind, make in KINDS.items()}
    seconds = {kind: [] for kind in steps}
    for turn in range(runs + 1):
        for kind, step in steps.items():
            begin = clock()
            step()
            if turn:
                seconds[kind].append(clock() - begin)
    return seconds


def peak() -> float:
    """Return the most memory this process has held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory(kind: str, options) -> float:
    """Return the memory of two steps in a process of its own, in MB."""
    out = subprocess.run([sys.executable, __file__, '--only', kind, '--width', str(options.width),
                          '--size', options.size], check=True, capture_output=True, text=True)
    return float(out.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--width', type=float, default=1.0)
    parser.add_argument('--size', default='375x500')
    parser.add_argument('--runs', type=int, default=3)
    parser.add_argument('--busy', action='store_true', help='as for forward.py')
    parser.add_argument('--only', choices=list(KINDS), help='print the memory of this one alone')
    options = parser.parse_args()
    height, width = map(int, options.size.split('x'))
    if options.only:
        before = peak()
        step = KINDS[options.only](options.width, (height, width))
        step()
        step()
        print(peak() - before)
        return
    report(options, (height, width))


def report(options, size: tuple[int, int]) -> None:
    """Print medians, memory and ratios as JSON; exit 1 where a bar is missed."""
    megabytes = {kind: memory(kind, options) for kind in KINDS}
    seconds = measure(options.width, size, options.runs, clock_for(options.busy))
    medians = {kind: statistics.median(times) for kind, times in seconds.items()}
    ratio = {kind: round(medians['ours'] / medians[kind], 3) for kind in ('eager', 'plain engine')}
    room = {kind: round(megabytes['ours'] / megabytes[kind], 3)
            for kind in ('eager', 'plain engine')}
    print(json.dumps({
        'net': NET, 'width': options.width, 'size': options.size, 'runs': options.runs,
        'median_s': {k: round(v, 3) for k, v in medians.items()},
        'fastest_s': {k: round(min(v), 3) for k, v in seconds.items()},
        'time of ours over': ratio, 'memory_mb': {k: round(v) for k, v in megabytes.items()},
        'memory of ours over': room, 'machine': machine()}, indent=1))
    if options.width == 1 and (ratio['eager'] > TIME or room['eager'] > MEMORY):
        sys.exit(f'missed: time {ratio["eager"]} (bar {TIME}), memory {room["eager"]} '
                 f'(bar {MEMORY})')


if __name__ == '__main__':
    main()
